"""Payload format 1.0, of REST APIs and of HTTP APIs that choose it: turns requests into events, and
functions' answers into responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from lampwork.events.caller import Caller
from lampwork.events.forwarding import FORWARDING, forwarding_headers, host
from lampwork.events.http_api import (
    HOP_BY_HOP,
    MalformedResponse,
    decoded,
    delivered_path,
    event_body,
    header_mapping,
    header_value,
    is_text,
    status_code,
)
from lampwork.events.identifiers import Moment
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.json_text import parsed
from lampwork.stack.model import ACCOUNT_ID, HttpApi, RestApi
from lampwork.stack.router import Match

HIDDEN = FORWARDING | HOP_BY_HOP | {"content-length"}
# What a REST API does not pass on either.
HIDDEN_BY_REST = HIDDEN | {
    *("content-md5", "max-forwards", "proxy-authenticate", "server", "trailer", "www-authenticate")
}
# The names that a gateway writes in its own way, whatever the client wrote.
SPELLED = {"authorization": "Authorization", "host": "Host", "user-agent": "User-Agent"}
ANSWER_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
REMAPPED = frozenset(
    {
        *("authorization", "connection", "content-length", "content-md5", "date", "expect"),
        *("host", "max-forwards", "proxy-authenticate", "server", "trailer", "upgrade"),
        *("user-agent", "www-authenticate"),
    }
)
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
    extended_id: str | None = None,
    caller: Caller | None = None,
) -> dict[str, Any]:
    """The event for one request. What the request lacks is null. The two ids of an HTTP API's
    request are the same, so it has no `extended_id`.

    Raises:
        MalformedPath: an HTTP API cannot decode the path.
    """
    body, is_base64 = _body(request, api)
    event = _request(request, api, match, request_id, moment)
    if extended_id is not None:
        event["requestContext"]["extendedRequestId"] = extended_id
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


def proxy_response(payload: bytes) -> Response:
    """The response of an HTTP API to the client for a function's JSON answer.

    Raises:
        MalformedResponse: the answer is not in the format that a gateway expects.
    """
    answer = _answer(payload)
    headers = [
        (name, value)
        for name, value in _answered_headers(answer)
        if name.lower() not in HOP_BY_HOP and name.lower() != "content-length"
    ]
    return _response(status_code(answer), headers, answer, decode=True)


def rest_response(payload: bytes, *, decode: bool) -> Response:
    """The response of a REST API to the client for a function's JSON answer. Only with `decode` may
    the answer's body be in base64.

    One key is required, whichever it is, and no other is allowed. Recorded on AWS:
    localstack/localstack, tests/aws/services/apigateway/test_apigateway_lambda.snapshot.json,
    test_aws_proxy_response_payload_format_validation.

    Raises:
        MalformedResponse: the answer is not in the format that a gateway expects.
    """
    answer = _answer(payload)
    if not answer:
        raise MalformedResponse("The function's answer is an empty object.")
    if unknown := sorted(answer.keys() - ANSWER_KEYS):
        raise MalformedResponse(f"The function's answer has an unknown key: {unknown[0]}.")
    status = status_code(answer) if "statusCode" in answer else 200
    return _response(status, remapped(_answered_headers(answer)), answer, decode=decode)


def remapped(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of an integration's answer, as a REST API passes them on: some under another
    name.

    Recorded on AWS: localstack/localstack, test_apigateway_integrations.snapshot.json,
    TestApiGatewayHeaderRemapping.
    """
    return [
        (f"x-amzn-Remapped-{name}" if lower in REMAPPED else name, value)
        for name, value in headers
        if (lower := name.lower()) in REMAPPED or lower not in HOP_BY_HOP
    ]


def _answer(payload: bytes) -> dict[str, Any]:
    try:
        answer = parsed(payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise MalformedResponse("The function's answer is not an object with a statusCode.")
    return answer


def _response(
    status: int, headers: list[tuple[str, str]], answer: Mapping[str, Any], *, decode: bool
) -> Response:
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    is_base64 = decode and answer.get("isBase64Encoded") is True
    return Response(status, headers, decoded(answer.get("body"), is_base64=is_base64))


def _answered_headers(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The headers of an answer. `headers` and `multiValueHeaders` are merged into one list, in
    which a value that both have is once."""
    single = header_mapping(answer)
    many = answer.get("multiValueHeaders") or {}
    if not isinstance(many, dict) or not all(isinstance(each, list) for each in many.values()):
        raise MalformedResponse("The function's multiValueHeaders are not lists.")
    listed = {
        (name.lower(), header_value(value)) for name, values in many.items() for value in values
    }
    for name, values in many.items():
        yield from ((header_value(name), header_value(value)) for value in values)
    for name, value in single.items():
        if not listed or (name.lower(), header_value(value)) not in listed:
            yield header_value(name), header_value(value)


def _request(
    request: Request, api: HttpApi | RestApi, match: Match, request_id: str, moment: Moment
) -> dict[str, Any]:
    rest = isinstance(api, RestApi)
    hidden = HIDDEN_BY_REST if rest else HIDDEN
    headers = [
        (SPELLED.get(lower) or name, value)
        for name, value in request.headers
        if (lower := name.lower()) not in hidden
    ]
    if not rest:
        headers.append(("Content-Length", str(len(request.body))))
    headers += forwarding_headers(request)
    query = parse_qsl(request.query, keep_blank_values=True)
    whole = f"/{request.path.lstrip('/')}" if rest else delivered_path(request.path)
    path = f"/{whole[len(api.stage) + 1 :].lstrip('/')}" if rest else whole
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
        "requestContext": _context(request, api, match, request_id, moment, whole),
    }


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def _context(
    request: Request,
    api: HttpApi | RestApi,
    match: Match,
    request_id: str,
    moment: Moment,
    path: str,
) -> dict[str, Any]:
    domain = host(request)
    rest = isinstance(api, RestApi)
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api.api_id,
        **({"deploymentId": api.deployment_id} if isinstance(api, RestApi) else {}),
        "domainName": domain,
        "domainPrefix": domain.partition(":")[0].partition(".")[0],
        "extendedRequestId": request_id,
        "httpMethod": request.method,
        "identity": {
            **dict.fromkeys(NO_IDENTITY),
            "sourceIp": request.peer[0],
            "userAgent": request.header("user-agent"),
        },
        "path": path,
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
    return event_body(request.body, is_text=not binary)


def is_binary(media_type: str | None, binary_media_types: Iterable[str]) -> bool:
    """Whether a Content-Type, or the first type of an Accept header, is one of the binary types."""
    first = (media_type or "").partition(",")[0].partition(";")[0].strip().lower()
    return any(_matches(first, each.lower()) for each in binary_media_types)


def _matches(media_type: str, pattern: str) -> bool:
    if pattern in ("*/*", media_type):
        return True
    return pattern.endswith("/*") and media_type.startswith(pattern[:-1])
