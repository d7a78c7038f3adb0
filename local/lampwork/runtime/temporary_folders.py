import asyncio
import secrets
import shutil
from pathlib import Path


class TemporaryFolders:
    """What stands in for Lambda's /tmp: for each environment a folder, which it finds as TMPDIR.

    All of them go when their environment does. Those of an emulator that was killed go at the next
    start.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._removals: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        await asyncio.to_thread(_remove, self._place)

    def name_one(self) -> Path:
        """A folder that is yet to be made."""
        return self._place / secrets.token_hex(8)

    def remove(self, folder: Path) -> None:
        """Remove it and all in it, in a thread: that may be much."""
        removal = asyncio.get_running_loop().run_in_executor(None, _remove, folder)
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._removals)
        await self.open()


def _remove(folder: Path) -> None:
    # A function may have made something that cannot be removed; that is no reason to stop.
    shutil.rmtree(folder, ignore_errors=True)
