"""The application of all functions under uvicorn, beside the services of a running product."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.e2e.product import Product, free_port, processes_of

WORKERS = 4
START_SECONDS = 300  # each worker loads everything, on whatever machine this is


@contextmanager
def server(
    product: Product, *, workers: int = WORKERS, environment: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """The same product as the server offers it: its port, its process, its log."""
    port = free_port()
    log = Path(f"{product.data}.server.{port}.log")
    origin = f"http://localhost:{port}"
    settings = {
        **environment_of(product),
        **{"HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": str(workers)},
        **{"PUBLIC_URL": origin, **(environment or {})},
    }
    settings.pop("AWS_DEFAULT_REGION", None)  # which only Lambda sets beside AWS_REGION
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.serve"],
            cwd=ROOT,
            env=settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    served = Product(process, port, product.data, log)
    try:
        served.until_it_answers(START_SECONDS)
        yield served
    finally:
        if process.poll() is None:
            served.stop(signal.SIGTERM)


def environment_of(product: Product) -> dict[str, str]:
    """What the product's workers are given: addresses of its services, and their keys."""
    (worker,) = [each for each in processes_of(product) if "local.worker:deliver" in each.command]
    text = Path(f"/proc/{worker.pid}/environ").read_text()
    return dict(pair.split("=", 1) for pair in text.split("\0") if pair)
