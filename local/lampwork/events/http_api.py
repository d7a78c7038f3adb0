"""Payload format 2.0 of HTTP APIs: turns requests into events, and functions' answers into
responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote

from lampwork.errors import MalformedPath
from lampwork.events.caller import Caller
from lampwork.events.forwarding import FORWARDING, forwarding_headers, host
from lampwork.events.identifiers import Moment
from lampwork.http.request import Request
from lampwork.http.responses import BODILESS, Response
from lampwork.json_text import parsed
from lampwork.stack.model import ACCOUNT_ID, HttpApi, HttpRoute

TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})
# These headers are for one connection only, and are not passed on (RFC 9110 §7.6.1).
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "expect"}
)

HIDDEN = FORWARDING | HOP_BY_HOP | {"cookie", "content-length"}


ILL_FORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class MalformedResponse(Exception):
    """A gateway cannot make a response of the function's answer."""


def delivered_path(path: str) -> str:
    """The path as an HTTP API writes it into events: decoded, cut at a `?` that was encoded, and
    decoded once more. REST APIs and function URLs deliver the path as it came.

    Recorded on AWS: hotsock/voker, vokerhttp/testdata/ingress-paths.json.

    Raises:
        MalformedPath: an escape is incomplete, in the path or once it is decoded.
    """
    if "%" not in path:
        return path
    return _unquoted(_unquoted(path).partition("?")[0])


def _unquoted(path: str) -> str:
    if ILL_FORMED_ESCAPE.search(path):
        raise MalformedPath(f"The path {path} has an incomplete escape: write % as %25.")
    return unquote(path)


def http_event(
    request: Request,
    api: HttpApi,
    route: HttpRoute,
    path_parameters: Mapping[str, str],
    *,
    request_id: str,
    moment: Moment,
    caller: Caller | None = None,
) -> dict[str, Any]:
    """The event for one request. It has no key for what the request lacks (body, cookies,
    query).

    Raises:
        MalformedPath: the path cannot be decoded.
    """
    return event_of_path(
        delivered_path(request.path),
        *(request, api, route, path_parameters),
        request_id=request_id,
        moment=moment,
        caller=caller,
    )


def event_of_path(
    path: str,
    request: Request,
    api: HttpApi,
    route: HttpRoute,
    path_parameters: Mapping[str, str],
    *,
    request_id: str,
    moment: Moment,
    caller: Caller | None = None,
) -> dict[str, Any]:
    """The same with a `path` of its own, which need not be the request's."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _headers(request),
        "requestContext": _context(request, api, route, request_id, moment, path),
        "isBase64Encoded": False,
    }
    cookies = _cookies(request)
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _joined(parse_qsl(request.query, keep_blank_values=True))
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if api.stage_variables:
        event["stageVariables"] = dict(api.stage_variables)
    if caller is not None:
        event["requestContext"]["authorizer"] = {caller.form: dict(caller.context)}
    if request.body:
        event["body"], event["isBase64Encoded"] = event_body(request.body, is_text=is_text(request))
    return event


def http_response(payload: bytes) -> Response:
    """The response to the client for a function's JSON answer.

    An answer that has no statusCode is sent whole, as JSON.

    Raises:
        MalformedResponse: the answer is not in the format that a gateway expects.
    """
    try:
        answer = parsed(payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if isinstance(answer, dict) and "statusCode" in answer:
        return structured_response(answer, "text/plain;charset=UTF-8")
    body = answer.encode() if isinstance(answer, str) else payload
    return Response(200, [("content-type", "application/json")], body)


def status_code(answer: Mapping[str, Any]) -> int:
    """The status of a function's answer. It may also be a string of digits.

    Raises:
        MalformedResponse: there is no status, or it is not a number from 200 to 599.
    """
    if "statusCode" not in answer:
        raise MalformedResponse("The function's answer has no statusCode.")
    try:
        status = int(answer["statusCode"])
    except (TypeError, ValueError) as error:
        code = json.dumps(answer["statusCode"])
        raise MalformedResponse(f"The function's statusCode {code} is not a number.") from error
    if not 200 <= status <= 599:
        raise MalformedResponse(f"The function's statusCode {status} is not from 200 to 599.")
    return status


def header_mapping(answer: Mapping[str, Any]) -> Mapping[str, object]:
    """
    Raises:
        MalformedResponse: the answer's `headers` are not an object.
    """
    headers = answer.get("headers") or {}
    if not isinstance(headers, dict):
        raise MalformedResponse("The function's headers are not an object.")
    return headers


def header_value(value: object) -> str:
    """A header's text, as it is sent.

    Raises:
        MalformedResponse: it has a line break or a null, which would end the header early.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        value = json.dumps(value)
    text = str(value)
    if "\r" in text or "\n" in text or "\0" in text:
        raise MalformedResponse("A header of the function's answer has a line break.")
    return text.encode().decode("latin-1")


def _headers(request: Request) -> dict[str, str]:
    wire = [
        (lower, value) for name, value in request.headers if (lower := name.lower()) not in HIDDEN
    ]
    added = [(name.lower(), value) for name, value in forwarding_headers(request)]
    return _joined([*wire, ("content-length", str(len(request.body))), *added])


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _cookies(request: Request) -> list[str]:
    headers = [value for name, value in request.headers if name.lower() == "cookie"]
    pairs = (pair.strip(" \t") for value in headers for pair in value.split(";"))
    return [pair for pair in pairs if pair]


def _context(
    request: Request, api: HttpApi, route: HttpRoute, request_id: str, moment: Moment, path: str
) -> dict[str, Any]:
    domain = host(request)
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api.api_id,
        "domainName": domain,
        "domainPrefix": domain.partition(":")[0].partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.peer[0],
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request_id,
        "routeKey": route.key,
        "stage": api.stage,
        "time": moment.clf,
        "timeEpoch": moment.epoch_ms,
    }


def is_text(request: Request) -> bool:
    """Whether the body is passed on as text. Only a few media types are; a body of any other type,
    or of none, is encoded in base64."""
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in TEXT_TYPES


def event_body(body: bytes, *, is_text: bool) -> tuple[str, bool]:
    """The body in an event, and whether it is in base64.

    A text that is not UTF-8 cannot be a string of JSON. In base64 it reaches the function as it
    came, which can refuse it; replacing what is wrong would pass off another text as the client's.
    """
    if is_text:
        with suppress(UnicodeDecodeError):
            return body.decode(), False
    return base64.b64encode(body).decode(), True


def structured_response(answer: Mapping[str, Any], default_type: str) -> Response:
    """The response for an answer with a statusCode. `default_type` is the Content-Type of one that
    names none.

    Raises:
        MalformedResponse: the answer is not in the format that a gateway expects.
    """
    status = status_code(answer)
    headers = [("set-cookie", cookie) for cookie in answered_cookies(answer)]
    for name, value in header_mapping(answer).items():
        if name.lower() not in HOP_BY_HOP and name.lower() != "content-length":
            headers.append((header_value(name), header_value(value)))
    body = decoded(answer.get("body"), is_base64=answer.get("isBase64Encoded") is True)
    if status not in BODILESS and all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("content-type", default_type))
    return Response(status, headers, body)


def answered_cookies(answer: Mapping[str, Any]) -> list[str]:
    """
    Raises:
        MalformedResponse: the answer's `cookies` are not a list.
    """
    cookies = answer.get("cookies") or []
    if not isinstance(cookies, list):
        raise MalformedResponse("The function's cookies are not a list.")
    return [header_value(cookie) for cookie in cookies]


def decoded(body: object, *, is_base64: bool) -> bytes:
    """
    Raises:
        MalformedResponse: it is not a string, or not valid base64.
    """
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("The function's body is not a string.")
    if not is_base64:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedResponse("The function's body is not base64.") from error
