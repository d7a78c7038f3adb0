import logging
import sys
import threading
import time
import traceback
import zlib
from typing import Final, TextIO

COLOURS: Final = (36, 32, 35, 34, 33, 96, 92, 95, 94, 93)
NAME_WIDTH: Final = 14
PLATFORM: Final = ("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def is_platform_line(line: str) -> bool:
    """Whether Lambda wrote this line of a function's log, and not the function."""
    return line.startswith(PLATFORM)


class Log:
    """The one place that prints what functions, companions and Lampwork itself have to say."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours = self._stream.isatty()
        self._lock = threading.Lock()

    def line(self, source: str, text: str) -> None:
        """One entry of a source. awslambdaric joins the lines of a traceback by `\\r`."""
        head = f"{time.strftime('%H:%M:%S')} {self._paint(source)} "
        indent = " " * (len("00:00:00") + NAME_WIDTH + 2)
        lines = text.rstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self.say(head + f"\n{indent}".join(lines))

    def say(self, text: str) -> None:
        """Text of Lampwork itself, as it stands."""
        with self._lock:
            self._stream.write(f"{text}\n")
            self._stream.flush()

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
