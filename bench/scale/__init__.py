"""`python -m bench scale`: hot statements and the whole product with a million tasks.

It fills a small and a large database, times what requests, workers, sweeps and the purge ask most,
and uses the product for a minute on the large SQLite file beside one on an empty file. It exits 1
where a median is above 15 ms, grows by more than 1.5 times, or where the product refuses something
or takes twice as long.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.scale.live import finish_all, live, problems
from bench.scale.seeds import fill_postgresql, fill_sqlite
from bench.scale.timing import Timed, compare
from tests.services import postgresql_server

# Nobody answers there: no statement of the bench needs these services.
ENVIRONMENT = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "QUEUE_URL": "redis://127.0.0.1:1/1",
    "RESULTS_BUCKET": "bench",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scale")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="in the large database")
    parser.add_argument("--small", type=int, default=100_000, help="tasks in the small one")
    parser.add_argument(
        "--databases", nargs="*", default=["sqlite", "postgresql"], metavar="sqlite|postgresql"
    )
    parser.add_argument("--live", type=float, default=60, metavar="SECONDS", help="0 for none")
    parser.add_argument("--folder", help="where the data lies meanwhile")
    options = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    if options.folder:
        tempfile.tempdir = options.folder
    failed = []
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        if "postgresql" in options.databases:
            with postgresql_server() as server:

                def fill(database: str, tasks: int) -> str:
                    return asyncio.run(fill_postgresql(server.address, database, tasks))

                failed += _statements("PostgreSQL", fill, options)
        if "sqlite" in options.databases:
            failed += _statements("SQLite", lambda n, tasks: _sqlite(folder / n, tasks), options)
            if options.live:
                failed += _live(folder, options)
    for problem in failed:
        print(f"does not hold: {problem}")
    return 1 if failed else 0


def _sqlite(folder: Path, tasks: int) -> str:
    folder.mkdir()
    return fill_sqlite(folder / "lampwork.db", tasks)


def _statements(
    title: str, fill: Callable[[str, int], str], options: argparse.Namespace
) -> list[str]:
    urls = []
    for name, tasks in (("small", options.small), ("large", options.tasks)):
        with _told(f"{title}: filling a database with {tasks:,} tasks"):
            urls.append(fill(name, tasks))
    results = asyncio.run(compare(urls[0], urls[1]))
    _show(title, results)
    return [
        f"{title}, {timed.name}: {median(timed.large):.1f} ms, {timed.growth:.1f} times"
        for timed in results
        if not timed.holds
    ]


def _show(title: str, results: list[Timed]) -> None:
    table = Table("", "small ms", "large ms", "growth", "holds", "plan", title=title)
    for timed in results:
        table.add_row(
            timed.name,
            f"{median(timed.small):.2f}",
            f"{median(timed.large):.2f}",
            f"{timed.growth:.2f}",
            "yes" if timed.holds else "NO",
            "\n".join(timed.plan),
        )
    Console(width=180).print(table)


def _live(folder: Path, options: argparse.Namespace) -> list[str]:
    finish_all(folder / "large" / "lampwork.db")
    with _told(f"The product, for {options.live:g} s"):
        lived = live(folder / "large", folder / "empty", seconds=options.live)
    for route, answers in lived["full"].items():
        empty = lived["empty"][route]
        print(
            f"{route}: {dict(answers.statuses)}, p50 {answers.p50:.0f} ms,"
            f" longest {max(answers.milliseconds):.0f} ms;"
            f" with an empty database {dict(empty.statuses)}, p50 {empty.p50:.0f} ms,"
            f" longest {max(empty.milliseconds):.0f} ms; ratio {answers.p50 / empty.p50:.2f}"
        )
    return problems(lived)


@contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)
