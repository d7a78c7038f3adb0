"""Ten saves of a function in ten seconds: from each save to the end of the first answer by what was
saved. A client asks all the time, so that each save meets a function at work."""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx

from bench.report import Goal, show_goals
from tests.developing import copy_repository
from tests.e2e.product import Product, running

SAVES = 10
EVERY_SECONDS = 1.0
MOST_MS = 150
PATIENCE_SECONDS = 60
HEALTH = "functions/health/health.py"
LINE = "    examined = await examine()"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench saves", description=__doc__)
    parser.add_argument("--saves", type=int, default=SAVES)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        repository = copy_repository(Path(folder))
        with running(Path(folder) / "data", repository=repository, reload=True) as product:
            found = sorted(served_after(product, repository / HEALTH, options.saves))
    late = found[math.ceil(0.95 * len(found)) - 1]
    goals = [
        Goal.without_limit("median, ms", median(found) * 1000, {}),
        Goal.at_most("95 in 100, ms", MOST_MS, late * 1000),
    ]
    show_goals((__doc__ or "").strip(), goals)
    return 0


def served_after(product: Product, file: Path, saves: int) -> Iterator[float]:
    """The seconds that each save took."""
    code = file.read_text()
    with httpx.Client(base_url=product.origin, timeout=PATIENCE_SECONDS) as client:
        began = time.monotonic()
        for number in range(saves):
            while time.monotonic() < began + number * EVERY_SECONDS:
                client.get("/api/health")
            mark = f"save {number}"
            file.write_text(
                code.replace(LINE, f"    response.headers['x-mark'] = '{mark}'\n{LINE}")
            )
            saved = time.monotonic()
            while client.get("/api/health").headers.get("x-mark") != mark:
                if time.monotonic() > saved + PATIENCE_SECONDS:
                    raise TimeoutError(f"{mark} is not served")
            yield time.monotonic() - saved
