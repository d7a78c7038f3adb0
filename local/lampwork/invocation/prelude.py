"""The head of a streamed answer: status, headers and cookies as JSON, before eight null bytes.

https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html
"""

import base64
import json
from typing import Final

WITH_PRELUDE: Final = "application/vnd.awslambda.http-integration-response"
PRELUDE_END: Final = bytes(8)


def whole_answer(content_type: str, content: bytes) -> bytes:
    """A streamed answer as the JSON answer of a function that does not stream: that of a gateway's
    request if it has a status and headers, else a text."""
    head, end, body = content.partition(PRELUDE_END)
    if content_type != WITH_PRELUDE or not end:
        return json.dumps(content.decode("utf-8", "replace")).encode()
    try:
        prelude = json.loads(head)
    except ValueError:
        prelude = None
    if not isinstance(prelude, dict):
        return json.dumps(content.decode("utf-8", "replace")).encode()
    if not prelude.get("cookies"):  # in payload format 1.0, it is an unknown key
        prelude.pop("cookies", None)
    try:
        answer = {"body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        answer = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return json.dumps({**prelude, **answer}).encode()
