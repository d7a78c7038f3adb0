"""The events of WebSocket APIs for functions, and the gateway's own messages to clients."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from lampwork.events.forwarding import FORWARDING, forwarding_headers, host
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import grouped
from lampwork.http.request import Request
from lampwork.json_text import parsed
from lampwork.stack.model import WebSocketApi

NO_CODE = 1005
NO_CODE_REASON = "Client-side close frame status not set"


@dataclass(frozen=True, slots=True)
class Connection:
    """What the handshake tells about a connection. It stays the same until the connection ends."""

    api_id: str
    stage: str
    source_ip: str
    user_agent: str | None
    domain: str
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    authorizer: Mapping[str, Any] | None = None  # the context that the authorizer returned
    id: str = field(default_factory=new_id)
    connected_at: Moment = field(default_factory=Moment.now)

    @classmethod
    def of(cls, request: Request, api: WebSocketApi) -> "Connection":
        return cls(
            api_id=api.api_id,
            stage=api.stage,
            source_ip=request.peer[0],
            user_agent=request.header("user-agent"),
            domain=host(request),
            stage_variables=api.stage_variables,
        )

    @property
    def identity(self) -> dict[str, str]:
        identity = {"sourceIp": self.source_ip}
        if self.user_agent is not None:
            identity["userAgent"] = self.user_agent
        return identity


def authorizer_event(
    connection: Connection, request: Request, query: str, request_id: str, arn: str
) -> dict[str, Any]:
    """The event for an authorizer, before $connect. What the request lacks is an empty object."""
    seen = connect_headers(request)
    upgrade = [("Connection", "upgrade"), ("content-length", "0"), ("Upgrade", "websocket")]
    pairs = parse_qsl(query, keep_blank_values=True)
    return {
        "type": "REQUEST",
        "methodArn": arn,
        **_headers([*seen, *upgrade]),
        "queryStringParameters": dict(pairs),
        "multiValueQueryStringParameters": grouped(pairs),
        "stageVariables": dict(connection.stage_variables),
        "requestContext": _context(connection, "$connect", "CONNECT", request_id),
    }


def connect_event(
    connection: Connection, headers: Iterable[tuple[str, str]], query: str, request_id: str
) -> dict[str, Any]:
    event: dict[str, Any] = {
        **_headers(headers),
        **_stage_variables(connection),
        "requestContext": _context(connection, "$connect", "CONNECT", request_id),
        "isBase64Encoded": False,
    }
    pairs = parse_qsl(query, keep_blank_values=True)
    if pairs:
        event["queryStringParameters"] = dict(pairs)
        event["multiValueQueryStringParameters"] = grouped(pairs)
    return event


def connect_headers(request: Request) -> list[tuple[str, str]]:
    """The headers of the handshake that a function sees, and those that the gateway adds."""
    hidden = FORWARDING | {"connection", "upgrade"}
    wire = [(name, value) for name, value in request.headers if name.lower() not in hidden]
    return [*wire, *forwarding_headers(request)]


def message_event(
    connection: Connection, route_key: str, body: str, request_id: str
) -> dict[str, Any]:
    return {
        **_stage_variables(connection),
        "requestContext": {
            **_context(connection, route_key, "MESSAGE", request_id),
            "messageId": new_id(),
        },
        "body": body,
        "isBase64Encoded": False,
    }


def disconnect_event(connection: Connection, code: int, reason: str) -> dict[str, Any]:
    if code == NO_CODE:
        reason = NO_CODE_REASON
    return {
        **_headers(
            [
                ("Host", connection.domain),
                ("x-api-key", ""),
                ("X-Forwarded-For", ""),
                ("x-restapi", ""),
            ]
        ),
        **_stage_variables(connection),
        "requestContext": {
            **_context(connection, "$disconnect", "DISCONNECT", new_id()),
            "disconnectStatusCode": code,
            "disconnectReason": reason,
        },
        "isBase64Encoded": False,
    }


def error_frame(message: str, connection_id: str, request_id: str) -> str:
    """The text of the gateway's own error message; its uneven spaces are the service's."""
    return (
        f'{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )


def selected_route(expression: str, body: str) -> str | None:
    """The route key that an expression such as `$request.body.action` finds in a message, if any.

    A client cannot choose a key that begins with `$`: such keys belong to the gateway.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
    """
    try:
        document = parsed(body)
    except ValueError:
        return None
    key = SELECTOR.sub(lambda path: _text(_found(document, path[1] or path[2])), expression)
    return key if key and not key.startswith("$") else None


SELECTOR = re.compile(r"\$\{request\.body\.([\w.-]+)\}|\$request\.body\.([\w.-]+)")


def _found(document: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _stage_variables(connection: Connection) -> dict[str, Any]:
    variables = connection.stage_variables
    return {"stageVariables": dict(variables)} if variables else {}


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    pairs = list(pairs)
    return {"headers": dict(pairs), "multiValueHeaders": grouped(pairs)}


def _context(
    connection: Connection, route_key: str, event_type: str, request_id: str
) -> dict[str, Any]:
    moment = Moment.now()
    context: dict[str, Any] = {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": moment.clf,
        "messageDirection": "IN",
        "stage": connection.stage,
        "connectedAt": connection.connected_at.epoch_ms,
        "requestTimeEpoch": moment.epoch_ms,
        "identity": connection.identity,
        "requestId": request_id,
        "domainName": connection.domain,
        "connectionId": connection.id,
        "apiId": connection.api_id,
    }
    if connection.authorizer is not None:
        context["authorizer"] = dict(connection.authorizer)
    return context
