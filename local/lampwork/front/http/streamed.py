"""What gateways share that pass a function's answer on while it is made."""

import logging
from typing import Any

from lampwork.events.http_api import MalformedResponse
from lampwork.events.streamed_answers import split_prelude
from lampwork.http.responses import BrokenBody, Response, StreamedResponse
from lampwork.invocation.streamed_call import StreamBroken, StreamedCall

logger = logging.getLogger(__name__)


class Body:
    """The rest of a function's stream as the body of a response: `first`, then what comes."""

    def __init__(self, call: StreamedCall, first: bytes = b"") -> None:
        self._call = call
        self._first = first

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        piece, self._first = self._first, b""
        try:
            piece = piece or await self._call.piece()
        except StreamBroken as error:
            # The client can be told no more: its status is sent.
            logger.warning("a streamed answer is cut off", extra={"reason": str(error)})
            raise BrokenBody from error
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self._call.leave()


async def read_prelude(call: StreamedCall) -> tuple[dict[str, Any], bytes]:
    """The prelude of a function's stream, and what has been read after it.

    Raises:
        MalformedResponse: there is none.
        StreamBroken: the function failed before its end.
    """
    content = b""
    while piece := await call.piece():
        content += piece
        if found := split_prelude(content):
            return found
    raise MalformedResponse("The function's stream ended before its head did.")


def passed_on(head: Response, call: StreamedCall, first: bytes = b"") -> StreamedResponse:
    """A response with this head, and with a function's stream as its body."""
    return StreamedResponse(head.status, head.headers, pieces=Body(call, first))
