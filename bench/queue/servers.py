import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import free_port, server
from tests.conftest import ROOT
from tests.services import postgresql_server, running_redis


@dataclass(frozen=True)
class Servers:
    """What all queues share. `storage` is the address of a store that keeps nothing."""

    folder: Path
    postgresql: str
    redis: str
    storage: str

    @property
    def postgresql_url(self) -> str:
        return f"{self.postgresql}/postgres"

    @property
    def sqlite_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.folder}/tasks.db"


@contextmanager
def servers() -> Iterator[Servers]:
    port = free_port()
    storage = (sys.executable, "-m", "bench.queue.storage", str(port))
    with (
        tempfile.TemporaryDirectory() as name,
        postgresql_server() as database,
        running_redis(Path(name)) as redis,
        server(*storage, folder=ROOT),
    ):
        yield Servers(Path(name), database.address, redis, f"http://127.0.0.1:{port}")
