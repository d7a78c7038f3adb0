"""The live status of a task over a WebSocket that this process holds itself."""

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from shared.dependencies import one_request
from shared.errors import PROBLEM_MEDIA_TYPE, DomainError
from shared.stream import frames
from shared.stream.admission import Handshake, admission
from shared.stream.incoming_messages import MAX_PER_SECOND, UNKNOWN_MESSAGE, is_ping
from shared.stream.native.audience import audience
from shared.stream.native.watcher import Sent, Watcher

SUBPROTOCOL = "tasks.v1"


async def serve(scope: Scope, receive: Receive, send: Send, *, task_id: str | None) -> None:
    """One socket, from its handshake to its end.

    A refused handshake is answered as a request would be, where the server can do that.
    """
    await receive()  # the handshake
    try:
        with one_request():
            connection, cursor = await admission().admit(_handshake(scope, task_id))
    except DomainError as error:
        return await _refuse(scope, send, error)
    async with audience().watching(connection, cursor) as watcher:
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen})

        async def tell(frame: Sent) -> None:
            await send({"type": "websocket.send", "text": frame.text})

        code = await watcher.serve(tell, _listen(receive, tell, watcher))
        if code is not None:
            await send({"type": "websocket.close", "code": code.value})


def handshake_headers(scope: Scope) -> dict[str, str]:
    """The headers by their names in lower case, repeated ones joined as gateways join them."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = "; " if name == "cookie" else ","
        joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def _handshake(scope: Scope, task_id: str | None) -> Handshake:
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    client = scope.get("client")
    return Handshake(
        connection_id=uuid4().hex,
        connected_at_ms=time.time_ns() // 1_000_000,
        headers=handshake_headers(scope),
        # The path wins, as where a gateway rewrites it.
        query=query if task_id is None else {**query, "task_id": [task_id]},
        peer=client[0] if client else None,
        native=True,
    )


async def _listen(
    receive: Receive, tell: Callable[[Sent], Awaitable[None]], watcher: Watcher
) -> None:
    """Answer what the client sends, as `shared.stream.incoming_messages` does for a gateway's
    sockets, until it is gone."""
    lately: deque[float] = deque(maxlen=MAX_PER_SECOND)
    while (message := await receive())["type"] != "websocket.disconnect":
        now = time.monotonic()
        if len(lately) == MAX_PER_SECOND and now - lately[0] < 1:
            continue  # a flood gets no answer
        lately.append(now)
        if not is_ping(message.get("text") or ""):
            await tell(Sent("error", frames.error(*UNKNOWN_MESSAGE)))
        elif watcher.cursor.sequence is not None:
            await tell(Sent("heartbeat", watcher.heartbeat()))


async def _refuse(scope: Scope, send: Send, error: DomainError) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1008, "reason": error.code})
    body = json.dumps(error.document).encode()
    headers = {
        **error.headers,
        "Content-Type": PROBLEM_MEDIA_TYPE,
        "Content-Length": str(len(body)),
    }
    await send(
        {
            "type": "websocket.http.response.start",
            "status": error.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
