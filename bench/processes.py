"""The memory of a program and of all it has started."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.lampwork_process import family

GLANCE_SECONDS = 0.5


@dataclass
class Memory:
    """The most seen at once, in megabytes: PSS counts a shared page once, RSS in each process."""

    pss: float = 0
    rss: float = 0

    def look(self, pid: int) -> None:
        now = [_read(each) for each in (pid, *family(pid))]
        self.pss = max(self.pss, sum(pss for pss, _ in now) / 1024)
        self.rss = max(self.rss, sum(rss for _, rss in now) / 1024)


@asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Memory]:
    memory = Memory()

    async def look() -> None:
        while True:
            await asyncio.sleep(GLANCE_SECONDS)
            memory.look(pid)

    looking = asyncio.create_task(look())
    try:
        yield memory
    finally:
        memory.look(pid)
        looking.cancel()


def _read(pid: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    found = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.endswith(" kB")}
    return found.get("Pss", 0), found.get("Rss", 0)
