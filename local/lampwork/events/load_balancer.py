"""Application Load Balancers: turns requests into events, and functions' answers into responses.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
The shape was captured on AWS: hotsock/voker, vokerhttp/testdata/alb-request.json.
"""

from typing import Any, Final

from lampwork.events.forwarding import FORWARDING, forwarding_headers
from lampwork.events.http_api import (
    HOP_BY_HOP,
    MalformedResponse,
    decoded,
    event_body,
    header_mapping,
    header_value,
    is_text,
)
from lampwork.events.rest_api import grouped
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.json_text import parsed
from lampwork.stack.load_balancers import FunctionTarget

HIDDEN: Final = FORWARDING | HOP_BY_HOP
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
MAX_SIZE: Final = 1024 * 1024


def load_balancer_event(request: Request, target: FunctionTarget) -> dict[str, Any]:
    """The event for one request. Names of headers are in lower case; the path and the query string
    stay encoded."""
    headers = [
        (lower, value) for name, value in request.headers if (lower := name.lower()) not in HIDDEN
    ]
    headers += [(name.lower(), value) for name, value in forwarding_headers(request)]
    query = [
        (name, value)
        for name, _, value in (each.partition("=") for each in request.query.split("&"))
        if name
    ]
    body, is_base64 = _body(request)
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": target.group_arn}},
        "httpMethod": request.method,
        "path": request.path,
    }
    if target.multi_value:
        event |= {
            "multiValueQueryStringParameters": grouped(query),
            "multiValueHeaders": grouped(headers),
        }
    else:
        event |= {"queryStringParameters": dict(query), "headers": dict(headers)}
    return {**event, "body": body, "isBase64Encoded": is_base64}


def load_balancer_response(payload: bytes, *, multi_value: bool) -> Response:
    """The response to the client for a function's JSON answer.

    Raises:
        MalformedResponse: the answer is not in the format that a load balancer expects.
    """
    if len(payload) > MAX_SIZE:
        raise MalformedResponse("The function's answer is larger than 1 MB.")
    try:
        answer = parsed(payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if not isinstance(answer, dict) or not _is_status(answer.get("statusCode")):
        raise MalformedResponse("The function's answer has no statusCode, a whole number.")
    headers = [
        (name, value)
        for name, value in _headers(answer, multi_value=multi_value)
        if name.lower() not in HOP_BY_HOP and name.lower() != "content-length"
    ]
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("content-type", "application/octet-stream"))
    body = decoded(answer.get("body"), is_base64=answer.get("isBase64Encoded") is True)
    return Response(answer["statusCode"], headers, body)


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _headers(answer: dict[str, Any], *, multi_value: bool) -> list[tuple[str, str]]:
    """Only one of the two maps counts: which one says the target group."""
    if not multi_value:
        single = header_mapping(answer)
        return [(header_value(name), header_value(value)) for name, value in single.items()]
    many = answer.get("multiValueHeaders") or {}
    if not isinstance(many, dict) or not all(isinstance(each, list) for each in many.values()):
        raise MalformedResponse("The function's multiValueHeaders are not lists.")
    return [
        (header_value(name), header_value(value))
        for name, values in many.items()
        for value in values
    ]


def _body(request: Request) -> tuple[str, bool]:
    """A body is text if it is of a few types and not compressed."""
    if not request.body:
        return "", False
    compressed = request.header("content-encoding") is not None
    return event_body(request.body, is_text=is_text(request) and not compressed)
