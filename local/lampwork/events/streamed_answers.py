"""Streamed answers of functions: their prelude as the head of a response.

https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from lampwork.events.http_api import MalformedResponse, answered_cookies, structured_response
from lampwork.events.rest_api import rest_response
from lampwork.http.responses import Response
from lampwork.invocation.prelude import PRELUDE_END

# API Gateway's limit; how far Lambda looks is not documented.
MAX_PRELUDE: Final = 16 * 1024
KEYS: Final = ("statusCode", "headers", "multiValueHeaders", "cookies")


def split_prelude(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The prelude of a streamed answer and what comes after it; None if it is not whole yet.

    Raises:
        MalformedResponse: there is none.
    """
    head, end, rest = content.partition(PRELUDE_END)
    if len(head) > MAX_PRELUDE:
        raise MalformedResponse(
            f"The function's stream has no eight null bytes among its first {MAX_PRELUDE}, which"
            " must end the JSON of its status and headers."
        )
    if not end:
        return None
    try:
        prelude = json.loads(head)
    except ValueError as error:
        raise MalformedResponse("The head of the function's stream is not JSON.") from error
    if not isinstance(prelude, dict):
        raise MalformedResponse("The head of the function's stream is not a JSON object.")
    return {name: prelude[name] for name in KEYS if prelude.get(name) is not None}, rest


def url_head(prelude: Mapping[str, Any], content_type: str) -> Response:
    """The head of a function URL's response; `content_type` is that of one that names none.

    Raises:
        MalformedResponse: the prelude is not in the format that Lambda expects.
    """
    response = structured_response({"statusCode": 200, **prelude}, content_type)
    many = rest_response(json.dumps({"statusCode": 200, **_many(prelude)}).encode(), decode=False)
    if "multiValueHeaders" in prelude:
        names = {name.lower() for name in prelude["multiValueHeaders"]}
        response.headers += [each for each in many.headers if each[0].lower() in names]
    return response


def rest_head(prelude: Mapping[str, Any]) -> Response:
    """The head of a REST API's response. Other than in an answer that is whole, there may be
    cookies.

    Raises:
        MalformedResponse: the prelude is not in the format that API Gateway expects.
    """
    plain = {name: value for name, value in prelude.items() if name != "cookies"}
    response = rest_response(json.dumps({"statusCode": 200, **plain}).encode(), decode=False)
    response.headers += [("Set-Cookie", cookie) for cookie in answered_cookies(prelude)]
    return response


def _many(prelude: Mapping[str, Any]) -> dict[str, Any]:
    return {"multiValueHeaders": prelude.get("multiValueHeaders") or {}}
