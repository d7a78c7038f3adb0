"""The memory of a process and of all its descendants."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.lampwork_process import family

POLL_SECONDS = 0.5


@dataclass
class Memory:
    """The peak in megabytes. PSS counts a shared page once, RSS once for each process."""

    pss: float = 0
    rss: float = 0

    def update(self, pids: Iterable[int]) -> None:
        now = [_read(each) for each in pids]
        self.pss = max(self.pss, sum(pss for pss, _ in now) / 1024)
        self.rss = max(self.rss, sum(rss for _, rss in now) / 1024)


@asynccontextmanager
async def memory_peak(pid: int) -> AsyncIterator[Memory]:
    """Record the peak for as long as the block lasts."""
    memory = Memory()

    async def poll() -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            # Reading it takes long, and what is measured meanwhile runs on this loop.
            await asyncio.to_thread(lambda: memory.update((pid, *family(pid))))

    polling = asyncio.create_task(poll())
    try:
        yield memory
    finally:
        polling.cancel()
        memory.update((pid, *family(pid)))


def _read(pid: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    found = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.endswith(" kB")}
    return found.get("Pss", 0), found.get("Rss", 0)
