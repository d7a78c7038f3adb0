import asyncio
import logging
import sys
import threading
import traceback
import zlib
from pathlib import Path
from typing import Final, TextIO

from lampwork.logs.json_records import is_platform_record
from lampwork.logs.log_file import LogFile, clock
from lampwork.logs.tracebacks import TracebackJoiner, readable

COLOURS: Final = (36, 32, 35, 34, 33, 96, 92, 95, 94, 93)
NAME_WIDTH: Final = 14
# A busy stack logs a line for each request. Writing each line by itself costs a tenth of its speed.
BATCH_SECONDS: Final = 0.02
PLATFORM_PREFIXES: Final = (
    "INIT_START ",
    "START RequestId: ",
    "END RequestId: ",
    "REPORT RequestId: ",
)
# AWS's client advises to check the version of the runtime, which is no help here.
ADVICE: Final = "LAMBDA_WARNING: Unhandled exception."
STANDARD_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def is_platform_line(line: str) -> bool:
    """Whether Lambda itself wrote this line of a function's log."""
    return line.startswith(PLATFORM_PREFIXES) or is_platform_record(line)


def is_advice(line: str) -> bool:
    return ADVICE in line


class Log:
    """The one place that prints what functions, companions and Lampwork itself log.

    `copy` is a second stream to which entries go.
    """

    def __init__(self, stream: TextIO | None = None, copy: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._copy = Log(copy) if copy else None
        self._colours = self._stream.isatty()
        self._lock = threading.Lock()
        self._tracebacks = TracebackJoiner()
        self._file: LogFile | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[str] = []

    @property
    def is_terminal(self) -> bool:
        return self._stream.isatty()

    def open(self, folder: Path) -> None:
        """Also write entries to a file in `folder`, for `lampwork logs`, and write in batches.

        Call it in an event loop that runs until `close`.
        """
        self._loop = asyncio.get_running_loop()
        self._file = LogFile(folder, self._report_failure)

    def close(self) -> None:
        self._write_pending()
        self._loop = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def line(self, source: str, text: str, request_id: str = "") -> None:
        """Log one entry of a source. awslambdaric joins the lines of a traceback by `\\r`."""
        if self._file is not None:
            self._file.write(source, request_id, text)
        if self._copy is not None:
            self._copy.line(source, text)
        whole = self._tracebacks.add(source, text)
        if whole is not None:
            self.say(self.entry(clock(), source, whole))

    def keep(self, source: str, text: str) -> None:
        """Write an entry to the file alone: `lampwork logs` shows it."""
        if self._file is not None:
            self._file.write(source, "", text)

    def say(self, text: str) -> None:
        """Print text of Lampwork itself unchanged."""
        with self._lock:
            self._pending.append(f"{text}\n")
            first = len(self._pending) == 1
        if self._loop is None:
            self._write_pending()
        elif first:
            self._loop.call_soon_threadsafe(
                self._loop.call_later, BATCH_SECONDS, self._write_pending
            )

    def entry(self, clock: str, source: str, text: str) -> str:
        """An entry as it is printed, with further lines indented below the first."""
        text = text.rstrip()
        if "\n" not in text and "\r" not in text:
            return f"{clock} {self._coloured_name(source)} {text}"
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        indent = " " * (len("00:00:00") + NAME_WIDTH + 2)
        shown = readable(lines, colours=self._colours)
        return f"{clock} {self._coloured_name(source)} " + f"\n{indent}".join(shown)

    def _write_pending(self) -> None:
        if self._file is not None:
            self._file.flush()
        with self._lock:
            text = "".join(self._pending)
            self._pending.clear()
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError:
                # The reader has gone or the disk is full. That ends a command that only prints;
                # a stack keeps running, although its output is lost.
                if self._loop is None:
                    raise

    def _report_failure(self, error: OSError) -> None:
        text = f"The log file cannot be written: {error.strerror}. Entries are lost until it can."
        self.say(self.entry(clock(), "lampwork", text))

    def _coloured_name(self, source: str) -> str:
        name = source.ljust(NAME_WIDTH)
        if not self._colours:
            return name
        return f"\033[{COLOURS[zlib.crc32(source.encode()) % len(COLOURS)]}m{name}\033[0m"


class LogHandler(logging.Handler):
    """Logs the records of Lampwork's own loggers, with `extra` appended as key=value."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        extra = {
            key: value for key, value in vars(record).items() if key not in STANDARD_ATTRIBUTES
        }
        text = " ".join([record.getMessage(), *(f"{key}={value}" for key, value in extra.items())])
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        self._log.line("lampwork", text)
