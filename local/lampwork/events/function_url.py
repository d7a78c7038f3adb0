"""Function URLs: payload format 2.0 as Lambda itself writes and reads it, without a gateway.

Recorded on AWS: hotsock/voker, vokerhttp/testdata/functionurl-request.json (events);
localstack/localstack, tests/aws/services/lambda_/test_lambda.snapshot.json, test_lambda_url_*
(answers).
"""

import json
from typing import Any, Final
from urllib.parse import unquote

from lampwork.events.caller import Caller
from lampwork.events.http_api import MalformedResponse, event_of_path, structured_response
from lampwork.events.identifiers import Moment
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.json_text import parsed
from lampwork.stack.model import HttpApi, HttpRoute

ANONYMOUS: Final = "anonymous"
JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def url_event(
    request: Request, api: HttpApi, route: HttpRoute, *, request_id: str, caller: Caller | None
) -> dict[str, Any]:
    """The event for one request. Other than an HTTP API, a function URL leaves `rawPath` encoded
    and the cookies among the headers too."""
    event = event_of_path(
        unquote(request.path),
        *(request, api, route, {}),
        request_id=request_id,
        moment=Moment.now(),
        caller=caller,
    )
    event["rawPath"] = request.path
    if "cookies" in event:
        event["headers"]["cookie"] = "; ".join(event["cookies"])
    if caller is None:
        event["requestContext"]["accountId"] = ANONYMOUS
    return event


def url_response(payload: bytes) -> Response:
    """The response to the client for a function's JSON answer. One without a statusCode is sent
    whole, as compact JSON.

    Raises:
        MalformedResponse: the answer is not in the format that Lambda expects.
    """
    try:
        answer = parsed(payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if isinstance(answer, dict) and "statusCode" in answer:
        return structured_response(answer, JSON)
    body = answer if isinstance(answer, str) else _compact(answer)
    return Response(200, [("content-type", JSON)], body.encode("utf-8", "replace"))


def raw_response(payload: bytes) -> Response:
    """The response of a URL that streams, for a function that does not: its whole answer as it is,
    with `statusCode` and all. What a function streams without a prelude has the same type.

    Recorded on AWS: localstack/localstack, tests/aws/services/lambda_/test_lambda.py,
    test_lambda_url_echo_invoke[RESPONSE_STREAM].
    """
    return Response(200, [("content-type", BINARY)], payload)
