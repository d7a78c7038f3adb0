import json
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol


class Refused(Exception):
    """The handshake was refused, with this HTTP status."""

    def __init__(self, status_code: int, content: bytes) -> None:
        self.status_code = status_code
        self.content = content
        super().__init__(f"{status_code} {content.decode(errors='replace')}".rstrip())


class Closed(Exception):
    """The stack has closed the socket, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"closed with {code} {reason}".rstrip())


class Socket:
    """An open WebSocket. Leave it with `close` or a `with` block."""

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None,
        subprotocols: list[str] | None,
        timeout: float,
    ) -> None:
        self._timeout = timeout
        self._opened = ExitStack()
        try:
            connecting = connect(
                url,
                additional_headers=headers,
                subprotocols=[Subprotocol(each) for each in subprotocols or []] or None,
                open_timeout=timeout,
                close_timeout=timeout,
                proxy=None,
            )
            self._connection = self._opened.enter_context(connecting)
        except InvalidStatus as error:
            raise Refused(error.response.status_code, bytes(error.response.body or b"")) from error
        except InvalidHandshake as error:
            raise Refused(0, str(error).encode()) from error

    @property
    def subprotocol(self) -> str | None:
        """The one that $connect has chosen."""
        return self._connection.subprotocol

    def send(self, message: Any) -> None:
        """Send a text. What is no string is sent as JSON.

        Raises:
            Closed: the socket is closed.
        """
        text = message if isinstance(message, str) else json.dumps(message)
        try:
            self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    def receive(self, timeout: float | None = None) -> str:
        """The next message.

        Raises:
            TimeoutError: none came in time: `timeout` seconds, else those of `connect`.
            Closed: the stack has closed the socket instead.
        """
        try:
            message = self._connection.recv(self._timeout if timeout is None else timeout)
        except ConnectionClosed as error:
            raise _closed(error) from error
        return message if isinstance(message, str) else message.decode()

    def receive_json(self, timeout: float | None = None) -> Any:
        """The next message, which is JSON. Raises as `receive` does, and ValueError."""
        return json.loads(self.receive(timeout))

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _closed(error: ConnectionClosed) -> Closed:
    frame = error.rcvd
    return Closed(frame.code, frame.reason) if frame else Closed(1006, "")
