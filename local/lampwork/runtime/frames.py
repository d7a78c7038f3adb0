"""What a function's process and the emulator send each other over a socket of theirs.

A frame is its kind, the length of its body, and the body. It carries what Lambda's Runtime API
does, without HTTP: that took more of both processors than a short function.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import struct
from typing import Final

HEADER: Final = struct.Struct(">cI")

# From the process.
READY: Final = b"R"  # the function is loaded; no body
RESPONSE: Final = b"A"  # what it returned, JSON
ERROR: Final = b"E"  # what it raised, JSON
INIT_ERROR: Final = b"I"  # why it could not be loaded, JSON
TOO_LARGE: Final = b"L"  # it returned more than `MAX_RESPONSE`; no body

# To the process: a line with the request's id, its trace's id, the function's ARN, the deadline and
# the client's context as JSON or nothing, with tabs between them; then the event.
REQUEST: Final = b"Q"


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(body)) + body
