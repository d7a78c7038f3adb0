"""The answer of InvokeWithResponseStream. Managed Python runtimes cannot stream: as on AWS, their
answer comes as one chunk when it is whole.

https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import json
import zlib
from collections.abc import Iterator
from typing import Final

from lampwork.http.responses import Response

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
# The most that one event carries.
CHUNK: Final = 64 * 1024
TEXT: Final = 7  # the type of a header whose value is a text


def streamed(answer: Response) -> Response:
    """The answer of Invoke as the events that a client of the stream reads. Refusals stay as they
    are."""
    if answer.status != 200:
        return answer
    headers = dict(answer.headers)
    error = headers.pop("x-amz-function-error", None)
    ending = {"LogResult": headers.pop("x-amz-log-result", "")}
    if error is not None:
        ending |= {"ErrorCode": error, "ErrorDetails": answer.body.decode("utf-8", "replace")}
    events = b"".join((*(_chunks(answer.body) if error is None else ()), _ending(ending)))
    headers["content-type"] = CONTENT_TYPE
    headers["x-amzn-remapped-content-type"] = "application/octet-stream"
    return Response(200, list(headers.items()), events)


def _chunks(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), CHUNK):
        yield _event("PayloadChunk", "application/octet-stream", body[begin : begin + CHUNK])


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
