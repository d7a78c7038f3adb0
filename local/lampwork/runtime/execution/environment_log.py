import logging
from collections.abc import Callable, Iterable

from lampwork.logs.levels import at_least, level_of
from lampwork.runtime.execution import platform_log
from lampwork.stack.model import Function

logger = logging.getLogger(__name__)

MAX_LOG = 256 * 1024


class EnvironmentLog:
    """The log of one execution environment: what Lambda itself writes and what its process prints.

    `on_line` gets each line as it comes, with the id of the request under way, "" outside of any.
    What a request's own log holds is kept until it ends, the newest 256 KB.
    """

    def __init__(self, function: Function, on_line: Callable[[str, str], None]) -> None:
        self.platform = platform_log.of(function)
        self._config = function.log_config
        self._on_line = on_line
        self._request_id = ""
        self._kept = bytearray()

    def begin(self, request_id: str) -> None:
        self._request_id = request_id
        self.write(self.platform.started(request_id))

    def end(self) -> bytes:
        """What was logged since the last request ended: its own log, and before the first the
        init's."""
        log, self._kept, self._request_id = bytes(self._kept), bytearray(), ""
        return log

    def write(self, lines: Iterable[str]) -> None:
        """What Lambda itself has to say."""
        for line in lines:
            self._write(line)

    def printed(self, line: str) -> None:
        """What the process printed, unless it is JSON below the function's level."""
        if not self._config.json or at_least(level_of(line), self._config.application_level):
            self._write(line)

    def failure(self, line: str) -> None:
        """In a log of JSON the report says that; whoever watches is told all the same."""
        self._write(line, kept=not self._config.json)

    def _write(self, line: str, *, kept: bool = True) -> None:
        if kept:
            self._kept += f"{line}\n".encode()
            if len(self._kept) > MAX_LOG:
                del self._kept[:-MAX_LOG]
        try:
            self._on_line(line, self._request_id)
        except Exception:  # whatever becomes of a line, requests go on
            logger.exception("a line of a log is lost")
