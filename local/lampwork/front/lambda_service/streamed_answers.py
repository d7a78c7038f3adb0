"""The answer of InvokeWithResponseStream. Managed Python runtimes cannot stream by themselves: as
on AWS, their answer comes when it is whole.

https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import base64
import json
import zlib
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from lampwork.http.responses import Response, StreamedResponse
from lampwork.invocation.streamed_call import StreamBroken, StreamedCall

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
# The most that one event carries.
CHUNK: Final = 64 * 1024
TEXT: Final = 7  # the type of a header whose value is a text
BINARY: Final = "application/octet-stream"
LOG_TAIL: Final = 4096  # bytes


def streamed(
    stream: StreamedCall, headers: list[tuple[str, str]], *, log: bool
) -> StreamedResponse:
    """A stream that has begun, as the events that a client reads."""
    told = [
        ("content-type", CONTENT_TYPE),
        ("x-amzn-remapped-content-type", stream.content_type or BINARY),
    ]
    return StreamedResponse(200, [*headers, *told], pieces=_events(stream, log=log))


async def _events(stream: StreamedCall, *, log: bool) -> AsyncGenerator[bytes]:
    ending = {}
    try:
        while piece := await stream.piece():
            for event in _chunks(piece):
                yield event
        invocation = await stream.ended()
    except StreamBroken:
        invocation = await stream.ended()
        details = invocation.payload.decode("utf-8", "replace")
        ending = {"ErrorCode": invocation.function_error or "", "ErrorDetails": details}
    finally:
        stream.leave()
    tail = base64.b64encode(invocation.log[-LOG_TAIL:]).decode() if log else ""
    yield _ending({"LogResult": tail, **ending})


def streamed_whole(answer: Response) -> Response:
    """The answer of Invoke as the events that a client of the stream reads."""
    headers = dict(answer.headers)
    error = headers.pop("x-amz-function-error", None)
    ending = {"LogResult": headers.pop("x-amz-log-result", "")}
    if error is not None:
        ending |= {"ErrorCode": error, "ErrorDetails": answer.body.decode("utf-8", "replace")}
    events = b"".join((*(_chunks(answer.body) if error is None else ()), _ending(ending)))
    headers["content-type"] = CONTENT_TYPE
    headers["x-amzn-remapped-content-type"] = BINARY
    return Response(200, list(headers.items()), events)


def _chunks(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), CHUNK):
        yield _event("PayloadChunk", BINARY, body[begin : begin + CHUNK])


def _ending(ending: dict[str, str]) -> bytes:
    return _event("InvokeComplete", "application/json", json.dumps(ending).encode())


def _event(kind: str, content_type: str, payload: bytes) -> bytes:
    """One message: two lengths, a checksum of them, headers, the payload, a checksum of all.

    https://smithy.io/2.0/aws/amazon-eventstream.html
    """
    headers = b"".join(
        _header(name, value)
        for name, value in (
            *((":event-type", kind), (":content-type", content_type)),
            (":message-type", "event"),
        )
    )
    lengths = (16 + len(headers) + len(payload)).to_bytes(4) + len(headers).to_bytes(4)
    message = lengths + _checksum(lengths) + headers + payload
    return message + _checksum(message)


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + bytes([TEXT]) + len(text).to_bytes(2) + text


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4)
