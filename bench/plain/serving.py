"""Runs the plain application on a copy of the product's database."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.servers import Served, free_port, server
from tests.conftest import ROOT
from tests.e2e.product import Product


def copied_database(product: Product, folder: Path) -> Path:
    """A copy with all that is in the product's database at this moment."""
    target = folder / "plain.db"
    with (
        closing(sqlite3.connect(product.data / "lampwork.db")) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")
    return target


@contextmanager
def plain(database: Path, keys: Path, *, paints: bool) -> Iterator[Served]:
    """The plain application. Unless it `paints`, its tasks wait for ever."""
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "bench.plain.app:app", "--port", str(port))
    variables = {
        "DATABASE_URL": f"sqlite:///{database}",
        "KEYS_FILE": str(keys),
        "PICTURES": str(database.parent),
        "PAINTING": "on" if paints else "off",
    }
    quiet = ("--log-level", "critical")  # what goes wrong is counted by those who ask
    with server(*command, *quiet, folder=ROOT, environment=variables) as process:
        yield Served(port, process.pid, database.parent)
