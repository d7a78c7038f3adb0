import logging
from collections.abc import Callable, Iterable

from lampwork.logs.levels import at_least, level_of
from lampwork.runtime.execution import platform_log
from lampwork.stack.model import Function

logger = logging.getLogger(__name__)

MAX_LOG_BYTES = 256 * 1024


class EnvironmentLog:
    """The log of one execution environment: what Lambda writes and what the process prints.

    `on_line` is called with each line as it comes and the id of the request under way ("" for
    none). The newest 256 KB of a request's log are kept until it ends.
    """

    def __init__(self, function: Function, on_line: Callable[[str, str], None]) -> None:
        self.platform = platform_log.log_for(function)
        self._config = function.log_config
        self._on_line = on_line
        self._request_id = ""
        self._buffer = bytearray()

    def begin(self, request_id: str) -> None:
        """Attribute the lines from here on to this request."""
        self._request_id = request_id
        self.write(self.platform.started(request_id))

    def end(self) -> bytes:
        """The log of the request that ends here; that of the init comes with the first one."""
        log, self._buffer, self._request_id = bytes(self._buffer), bytearray(), ""
        return log

    def write(self, lines: Iterable[str]) -> None:
        """Log what Lambda itself writes."""
        for line in lines:
            self._write(line)

    def printed(self, line: str) -> None:
        """Log what the process printed, unless it is JSON below the function's log level."""
        if not self._config.json or at_least(level_of(line), self._config.application_level):
            self._write(line)

    def failure(self, line: str) -> None:
        """Log why a request failed; with `LogFormat: JSON` only `on_line` gets it.

        Lambda's JSON log says it in the report.
        """
        self._write(line, buffered=not self._config.json)

    def _write(self, line: str, *, buffered: bool = True) -> None:
        if buffered:
            self._buffer += f"{line}\n".encode()
            if len(self._buffer) > MAX_LOG_BYTES:
                del self._buffer[:-MAX_LOG_BYTES]
        try:
            self._on_line(line, self._request_id)
        except Exception:  # a line that cannot be shown must not fail a request
            logger.exception("a line of a function's log is lost")
