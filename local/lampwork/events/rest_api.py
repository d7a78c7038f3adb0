"""Payload format 1.0, of REST APIs and of HTTP APIs that choose it: turns requests into events, and
functions' answers into responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from lampwork.events.caller import Caller
from lampwork.events.forwarding import FORWARDING, forwarding_headers, host
from lampwork.events.http_api import (
    HOP_BY_HOP,
    MalformedResponse,
    decoded,
    header_mapping,
    header_value,
    is_text,
    status_code,
)
from lampwork.events.identifiers import Moment
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.model import ACCOUNT_ID, HttpApi, RestApi
from lampwork.stack.router import Match

HIDDEN = FORWARDING | HOP_BY_HOP
NO_IDENTITY = (
    *("accessKey", "accountId", "caller", "cognitoAuthenticationProvider"),
    *("cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId"),
    *("principalOrgId", "user", "userArn"),
)


def proxy_event(
    request: Request,
    api: HttpApi | RestApi,
    match: Match,
    *,
    request_id: str,
    moment: Moment,
    caller: Caller | None = None,
) -> dict[str, Any]:
    """The event for one request. What the request lacks is null."""
    body, is_base64 = _body(request, api)
    event = _request(request, api, match, request_id, moment)
    event = {name: value or None if value == {} else value for name, value in event.items()}
    event |= {"body": body, "isBase64Encoded": is_base64}
    context = event["requestContext"]
    if isinstance(api, HttpApi):
        event = {"version": "1.0", **event}
        context["authorizer"] = {"claims": None, "scopes": None}
    if caller is not None and caller.form == "iam":
        context["identity"] |= _signer(caller)
    elif caller is not None:
        context["authorizer"] = authorizer_context(caller)
    return event


def authorizer_event(
    request: Request,
    api: HttpApi | RestApi,
    match: Match,
    request_id: str,
    moment: Moment,
    arn: str,
) -> dict[str, Any]:
    """The event for a REQUEST authorizer. What the request lacks is an empty object."""
    event = _request(request, api, match, request_id, moment)
    return {"type": "REQUEST", "methodArn": arn, **event}


def authorizer_context(caller: Caller) -> dict[str, Any]:
    """The event's `requestContext.authorizer`: the context and principal that an authorizer
    function returned, or the claims of a token."""
    if caller.form != "lambda":
        return dict(caller.context)
    context: dict[str, Any] = {name: stringified(each) for name, each in caller.context.items()}
    if caller.principal is not None:
        context["principalId"] = caller.principal
    return {**context, "integrationLatency": caller.latency_ms}


def _signer(caller: Caller) -> dict[str, Any]:
    who = caller.context
    same = {name: who[name] for name in ("accessKey", "accountId", "userArn")}
    return {**same, "caller": who["callerId"], "user": who["userId"]}


def stringified(value: object) -> str:
    """A value of an authorizer's context, as text: REST and WebSocket APIs pass it on so."""
    return value if isinstance(value, str) else json.dumps(value)


def proxy_response(payload: bytes, decode: bool) -> Response:
    """The response to the client for a function's JSON answer. Only with `decode` may the answer's
    body be in base64.

    Raises:
        MalformedResponse: the answer is not in the format that a gateway expects.
    """
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise MalformedResponse("The function's answer is not an object with a statusCode.")
    headers = [
        (header_value(name), header_value(value))
        for name, value in _answered_headers(answer)
        if name.lower() not in HOP_BY_HOP and name.lower() != "content-length"
    ]
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    is_base64 = decode and answer.get("isBase64Encoded") is True
    return Response(status_code(answer), headers, decoded(answer.get("body"), is_base64=is_base64))


def _answered_headers(answer: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    """The headers of an answer. A name in both `headers` and `multiValueHeaders` has the values of
    the latter."""
    many = answer.get("multiValueHeaders") or {}
    if not isinstance(many, dict) or not all(isinstance(each, list) for each in many.values()):
        raise MalformedResponse("The function's multiValueHeaders are not lists.")
    named = {name.lower() for name in many}
    for name, value in header_mapping(answer).items():
        if name.lower() not in named:
            yield name, value
    for name, values in many.items():
        yield from ((name, value) for value in values)


def _request(
    request: Request, api: HttpApi | RestApi, match: Match, request_id: str, moment: Moment
) -> dict[str, Any]:
    headers = [(name, value) for name, value in request.headers if name.lower() not in HIDDEN]
    headers += forwarding_headers(request)
    query = parse_qsl(request.query, keep_blank_values=True)
    path = unquote(request.path)
    if isinstance(api, RestApi):
        path = path[len(api.stage) + 1 :] or "/"
    return {
        "resource": match.route.path,
        "path": path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": grouped(headers),
        "queryStringParameters": dict(query),
        "multiValueQueryStringParameters": grouped(query),
        "pathParameters": dict(match.parameters),
        "stageVariables": dict(api.stage_variables),
        "requestContext": _context(request, api, match, request_id, moment),
    }


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def _context(
    request: Request, api: HttpApi | RestApi, match: Match, request_id: str, moment: Moment
) -> dict[str, Any]:
    domain = host(request)
    rest = isinstance(api, RestApi)
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api.api_id,
        "domainName": domain,
        "domainPrefix": domain.partition(":")[0].partition(".")[0],
        "extendedRequestId": request_id,
        "httpMethod": request.method,
        "identity": {
            **dict.fromkeys(NO_IDENTITY),
            "sourceIp": request.peer[0],
            "userAgent": request.header("user-agent"),
        },
        "path": unquote(request.path),
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "requestTime": moment.clf,
        "requestTimeEpoch": moment.epoch_ms,
        "resourceId": _resource_id(match.route.path) if rest else match.route.key,
        "resourcePath": match.route.path,
        "stage": api.stage,
    }


def _resource_id(path: str) -> str:
    """An id of six hexadecimal digits. A resource keeps its id from start to start."""
    return f"{zlib.crc32(path.encode()):08x}"[:6]


def _body(request: Request, api: HttpApi | RestApi) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    binary = (
        is_binary(request.header("content-type"), api.binary_media_types)
        if isinstance(api, RestApi)
        else not is_text(request)
    )
    if binary:
        return base64.b64encode(request.body).decode(), True
    return request.body.decode("utf-8", "replace"), False


def is_binary(media_type: str | None, binary_media_types: Iterable[str]) -> bool:
    """Whether a Content-Type, or the first type of an Accept header, is one of the binary types."""
    first = (media_type or "").partition(",")[0].partition(";")[0].strip().lower()
    return any(_matches(first, each.lower()) for each in binary_media_types)


def _matches(media_type: str, pattern: str) -> bool:
    if pattern in ("*/*", media_type):
        return True
    return pattern.endswith("/*") and media_type.startswith(pattern[:-1])
