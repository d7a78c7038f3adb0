"""An event for a function's first request, where nobody names one."""

import re
import uuid
from typing import Any, Final

from lampwork.events.http_api import http_event
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import proxy_event
from lampwork.events.websocket_api import Connection, connect_event
from lampwork.http.request import Request
from lampwork.stack.model import Function, HttpApi, HttpRoute, RestApi, Stack
from lampwork.stack.router import Match

HOST: Final = "localhost"
PARAMETER: Final = re.compile(r"\{([^{}+]+)\+?\}")
VALUE: Final = "1"  # of each parameter in a path


def first_event(stack: Stack, function: Function) -> dict[str, Any]:
    """A request to the first route of the function, without a body; the start of a connection; no
    records, for a function that a trigger invokes; else an empty event."""
    name = function.logical_id
    for api in stack.routed_apis:
        for route in api.routes:
            if route.function == name:
                return _request(api, route)
    for socket_api in stack.websocket_apis:
        if any(route.function == name for route in socket_api.routes.values()):
            connection = Connection(
                socket_api.api_id, socket_api.stage, "127.0.0.1", "lampwork", HOST
            )
            return connect_event(connection, [("Host", HOST)], "", new_id())
    return {"Records": []} if any(each.function == name for each in stack.triggers) else {}


def _request(api: HttpApi | RestApi, route: HttpRoute) -> dict[str, Any]:
    path = "/" if route.path == "$default" else PARAMETER.sub(VALUE, route.path)
    method = "GET" if route.method == "ANY" else route.method
    headers = [("Host", HOST), ("User-Agent", "lampwork"), ("Accept", "*/*")]
    stage = "" if api.stage == "$default" else f"/{api.stage}"
    request = Request(method, stage + path, headers, b"", ("127.0.0.1", 0), secure=False)
    parameters = dict.fromkeys(PARAMETER.findall(route.path), VALUE)
    if isinstance(api, HttpApi) and route.payload_format != "1.0":
        return http_event(request, api, route, parameters, request_id=new_id(), moment=Moment.now())
    match = Match(route, parameters)
    return proxy_event(request, api, match, request_id=str(uuid.uuid4()), moment=Moment.now())
