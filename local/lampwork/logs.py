import logging
import sys
import threading
import time
import traceback
import zlib
from pathlib import Path
from typing import Final, TextIO

from lampwork.log_file import LogFile
from lampwork.tracebacks import Tracebacks, readable

COLOURS: Final = (36, 32, 35, 34, 33, 96, 92, 95, 94, 93)
NAME_WIDTH: Final = 14
PLATFORM: Final = ("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
# On AWS, advice to look at the version of the runtime; here it is what the template names.
ADVICE: Final = "LAMBDA_WARNING: Unhandled exception."
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def is_platform_line(line: str) -> bool:
    """Whether Lambda wrote this line of a function's log, and not the function."""
    return line.startswith(PLATFORM) or ADVICE in line


class Log:
    """The one place that prints what functions, companions and Lampwork itself have to say."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours = self._stream.isatty()
        self._lock = threading.Lock()
        self._tracebacks = Tracebacks()
        self._file: LogFile | None = None

    def keep_in(self, folder: Path) -> None:
        """From now on write entries to a file there too, for `lampwork logs`."""
        self._file = LogFile(folder)

    def close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def line(self, source: str, text: str, request_id: str = "") -> None:
        """One entry of a source. awslambdaric joins the lines of a traceback by `\\r`."""
        if self._file is not None:
            self._file.write(source, request_id, text)
        whole = self._tracebacks.gather(source, text)
        if whole is not None:
            self.say(self.entry(time.strftime("%H:%M:%S"), source, whole))

    def say(self, text: str) -> None:
        """Text of Lampwork itself, as it stands."""
        with self._lock:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def entry(self, clock: str, source: str, text: str) -> str:
        """An entry as it is printed: its further lines stand below the first."""
        lines = text.rstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
        indent = " " * (len("00:00:00") + NAME_WIDTH + 2)
        shown = readable(lines, colours=self._colours)
        return f"{clock} {self._paint(source)} " + f"\n{indent}".join(shown)

    def _paint(self, source: str) -> str:
        name = source.ljust(NAME_WIDTH)
        if not self._colours:
            return name
        return f"\033[{COLOURS[zlib.crc32(source.encode()) % len(COLOURS)]}m{name}\033[0m"


class LogHandler(logging.Handler):
    """Puts the records of Lampwork's own loggers into the log, their `extra` behind the message."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        extra = {key: value for key, value in vars(record).items() if key not in STANDARD}
        text = " ".join([record.getMessage(), *(f"{key}={value}" for key, value in extra.items())])
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        self._log.line("lampwork", text)
