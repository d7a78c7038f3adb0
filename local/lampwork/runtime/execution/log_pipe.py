import asyncio
import fcntl
import os
from collections.abc import Callable


class LogPipe:
    """What one process prints, cut into lines as it comes.

    A pipe holds all that was printed before the process did anything else, so `drain` brings a log
    up to the moment without waiting.
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
        """Take what has been printed so far: one read of a pipe's capacity holds it all."""
        if not self._open:
            return
        try:
            data = os.read(self._reader, self._capacity)
        except BlockingIOError:
            return
        if data:
            self._take(data)
        else:
            self.close()

    def end_line(self) -> None:
        """Take also a last line that has no end yet."""
        if self._partial:
            self._take(b"\n")

    def flush(self) -> None:
        self.drain()
        self.end_line()

    def release_writer(self) -> None:
        """Leave the writing end to the process that has it."""
        os.close(self.writer)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        if self._partial:
            self._take(b"\n")

    def _take(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))
