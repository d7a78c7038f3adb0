"""The frames that a function's process and the emulator send each other over a socket.

A frame is its kind (1 byte), the length of its body (4 bytes, big-endian), and the body. Frames
carry what Lambda's Runtime API carries, but without HTTP, which cost both processes more time than
a short function.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import struct
from typing import Final

HEADER: Final = struct.Struct(">cI")

# From the process.
READY: Final = b"R"  # the function is loaded; no body
RESPONSE: Final = b"A"  # what it returned, JSON; after a stream, no body
ERROR: Final = b"E"  # what it raised, JSON; after pieces, the stream is broken
STREAM: Final = b"S"  # it streams its answer; the content type
PIECE: Final = b"P"  # the next bytes of a streamed answer
INIT_ERROR: Final = b"I"  # why it could not be loaded, JSON
FILES: Final = b"F"  # which files it has opened since the last time, as `read_files` writes them
IMPORTS: Final = b"M"  # what it has imported, as `import_trace` writes it
TOO_LARGE: Final = b"L"  # it returned more than `MAX_RESPONSE`; no body

# To the process: one line of tab-separated fields (request id, trace id, function ARN, deadline in
# milliseconds, client context as JSON or empty), then the event.
REQUEST: Final = b"Q"


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(body)) + body
