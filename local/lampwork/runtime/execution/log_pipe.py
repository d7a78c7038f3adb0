import asyncio
import fcntl
import os
from collections.abc import Callable


class LogPipe:
    """The pipe into which one process prints, read as lines.

    What a process printed before it answered is in the pipe by then, so `drain` reads all of it
    without waiting.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._partial = b""
        self._loop = asyncio.get_running_loop()
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._capacity = fcntl.fcntl(self._reader, fcntl.F_GETPIPE_SZ)
        self._open = True
        self._loop.add_reader(self._reader, self.drain)

    def drain(self) -> None:
        """Read what has been printed so far: one read of the pipe's capacity gets it all."""
        if not self._open:
            return
        try:
            data = os.read(self._reader, self._capacity)
        except BlockingIOError:
            return
        if data:
            self._add(data)
        else:
            self.close()

    def end_line(self) -> None:
        """Pass on a last line that has no newline yet."""
        if self._partial:
            self._add(b"\n")

    def flush(self) -> None:
        """Read what has been printed, including a last line without a newline."""
        self.drain()
        self.end_line()

    def release_writer(self) -> None:
        """Close our copy of the writing end, which leaves the one of the process."""
        os.close(self.writer)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        if self._partial:
            self._add(b"\n")

    def _add(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))
