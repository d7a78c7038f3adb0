"""The product from the folders that `sam build` made, and from nothing else: `make built-test`.

The emulator runs in an environment of its own, on the Python of the template, that has none of the
application's packages.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import bundle
from local.keys import ensure_keys
from tests.conftest import ROOT
from tests.e2e.conftest import MANY_SIGN_UPS, ada, bob  # noqa: F401
from tests.e2e.product import Product, free_port

START_SECONDS = 300
SETTINGS = {
    **{"ENV": "development", "PUBLIC_URL": "${origin}", "AUTH_ISSUER": "${origin}"},
    **{"AUTH_VERIFICATION_DELIVERY": "response", "COOKIE_SECURE": "false"},
    **{"MAIL_URL": "mailbox://", "TRUST_USER_ID_HEADER": "local", "WEBHOOK_LOOPBACK": "true"},
    "DATABASE_URL": "sqlite+aiosqlite:///${data}/lampwork.db",
    **{"REDIS_URL": "${redis_url}/0", "KEYS_FILE": "${data}/keys.json"},
    **{"SWEEP_DELAYS_SECONDS": "0", "TICK_DELAYS_SECONDS": "0", "WS_TICK_SECONDS": "5"},
    **MANY_SIGN_UPS,
}


@pytest.fixture(scope="session")
def template() -> Path:
    """The built template; the folders beside it are those that would be deployed."""
    return ROOT / os.environ.get("BUILT", ".aws-sam/build") / "template.yaml"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the emulator alone; EMULATOR_PYTHON names one that is there already."""
    if present := os.environ.get("EMULATOR_PYTHON"):
        return Path(present)
    of_lambda = bundle.compiler()
    assert of_lambda, bundle.NO_COMPILER
    folder = tmp_path_factory.mktemp("emulator") / "venv"
    run(of_lambda, "-m", "venv", str(folder))
    made = folder / "bin" / "python"
    locked = folder / "constraints.txt"
    lines = (ROOT / "requirements" / "dev.lock").read_text().splitlines()
    locked.write_text("\n".join(each.rstrip(" \\") for each in lines if re.match(r"\S+==", each)))
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(str(made), *pip, "--constraint", str(locked), str(ROOT / "local"))
    return made


@pytest.fixture(scope="session")
def product(
    template: Path, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    root = tmp_path_factory.mktemp("built")
    data, log, port = root / "data", root / "log", free_port()
    data.mkdir()
    lines = [f'template = "{template}"', "[environment]"]
    lines += [f'{name} = "{value}"' for name, value in SETTINGS.items()]
    lines += ["[schedules]", "TasksSweepEachMinute = 5", "WsTickEachMinute = 5"]
    (root / "lampwork.toml").write_text("\n".join(lines))
    ensure_keys(data / "keys.json")
    database = {"DATABASE_URL": f"sqlite+aiosqlite:///{data / 'lampwork.db'}"}
    run(sys.executable, "-m", "alembic", "upgrade", "head", environment=database)
    options = ("--port", str(port), "--data", str(data), "--no-reload")
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(python), "-m", "lampwork", "up", *options],
            cwd=root,
            env={"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(root)},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    product = Product(process, port, data, log)
    try:
        product.until_it_answers(START_SECONDS)
        yield product
    finally:
        if process.poll() is None:
            product.stop()


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})}, check=True)
