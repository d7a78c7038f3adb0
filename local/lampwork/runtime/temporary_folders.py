import asyncio
import secrets
import shutil
from pathlib import Path


class TemporaryFolders:
    """Stands in for Lambda's /tmp: each environment has a folder of its own, named by TMPDIR.

    A folder is removed with its environment. Folders left by a killed emulator are removed at the
    next start.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._removals: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        """Remove what an earlier run left behind."""
        await asyncio.to_thread(_remove, self._root)

    def new_path(self) -> Path:
        """The path of a new folder, which is not made yet."""
        return self._root / secrets.token_hex(8)

    def remove(self, folder: Path) -> None:
        """Remove a folder and its content, in a thread because that may take long."""
        removal = asyncio.get_running_loop().run_in_executor(None, _remove, folder)
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def close(self) -> None:
        """Wait for the removals and remove what is left."""
        await asyncio.gather(*self._removals)
        await self.open()


def _remove(folder: Path) -> None:
    # A function may have made files that cannot be removed; that must not fail the emulator.
    shutil.rmtree(folder, ignore_errors=True)
