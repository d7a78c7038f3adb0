"""The @connections API, with which boto3's apigatewaymanagementapi reaches open sockets."""

import json
import re
from collections.abc import Iterable
from urllib.parse import unquote

from lampwork.front.signature import is_signed
from lampwork.front.websocket.open_socket import MAX_MESSAGE, NORMAL
from lampwork.front.websocket.websocket_api import OpenConnection, WebSocketApiGateway
from lampwork.http.request import Request
from lampwork.http.responses import Response

PATH = re.compile(r"/([^/]+)/(?:@|%40)connections/([^/]+)")
CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{15}=")


def serve(
    request: Request, found: re.Match[str], gateways: Iterable[WebSocketApiGateway]
) -> Response:
    """Answer a request for `/{stage}/@connections/{connectionId}`.

    `found` is the match of `PATH` with the request's path.
    """
    stage, connection_id = (unquote(part) for part in found.groups())
    of_stage = [gateway for gateway in gateways if gateway.api.stage == stage]
    if not is_signed(request):
        return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if not of_stage:
        return _error(403, "ForbiddenException", "Forbidden")
    if not CONNECTION_ID.fullmatch(connection_id):
        return _error(400, "BadRequestException", f"Invalid connectionId: {connection_id}")
    for gateway in of_stage:
        if connection := gateway.connections.get(connection_id):
            return _act(request, connection)
    return GONE


def _act(request: Request, connection: OpenConnection) -> Response:
    match request.method:
        case "POST":
            return _post(request, connection)
        case "GET":
            return _get(connection)
        case "DELETE":
            connection.socket.close(NORMAL)
            return Response(204, [])
        case _:
            return _error(403, "MissingAuthenticationTokenException", "Forbidden")


def _post(request: Request, connection: OpenConnection) -> Response:
    if len(request.body) > MAX_MESSAGE:
        return _error(413, "PayloadTooLargeException", f"The message is over {MAX_MESSAGE} bytes.")
    connection.send(request.body.decode("utf-8", "replace"))
    return Response(200, []) if connection.socket.open else GONE


def _get(connection: OpenConnection) -> Response:
    about = {
        "connectedAt": connection.about.connected_at.iso,
        "identity": connection.about.identity,
        "lastActiveAt": connection.last_active_at.iso,
    }
    return Response(200, [("content-type", "application/json")], json.dumps(about).encode())


def _error(status: int, kind: str, message: str) -> Response:
    headers = [("content-type", "application/json"), ("x-amzn-ErrorType", kind)]
    return Response(status, headers, json.dumps({"message": message}).encode())


# API Gateway sends no body with this answer.
GONE = Response(410, [("x-amzn-ErrorType", "GoneException")])
