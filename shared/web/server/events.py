"""The live status of a task as server-sent events: the frames of the WebSocket, each as one event.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import random
import re
import time
from typing import Annotated
from uuid import uuid4

from fastapi import Header, Request, Response
from starlette.types import Receive, Scope, Send

from shared.stream.admission import Handshake, admission
from shared.stream.connections import Connection, Cursor, connections
from shared.stream.native.audience import audience
from shared.stream.native.watcher import Sent
from shared.stream.reader import reader
from shared.web.api import create_app
from shared.web.authentication import request_headers

SEQUENCE = r"0|[1-9][0-9]{0,15}"
# Clients that lost their streams at one moment do not all come back at another one.
SHORTEST_RETRY_MS, LONGEST_RETRY_MS = 1000, 3000
# An event of the name `error` would be taken for a lost connection, by EventSource itself.
NAMES = {"error": "refused"}

app = create_app()


@app.get("/api/v1/tasks/{task_id}/stream", include_in_schema=False)
async def stream(
    task_id: str,
    request: Request,
    after: str | None = None,
    ticket: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The task's states from now on, or those after Last-Event-ID, which EventSource sends when it
    connects again; an id that is none of ours counts as none.

    204 tells EventSource not to come again: the client has seen the end.
    """
    seen = _seen(last_event_id)
    given = {"task_id": task_id, "after": seen or after, "ticket": ticket}
    handshake = Handshake(
        connection_id=uuid4().hex,
        connected_at_ms=time.time_ns() // 1_000_000,
        headers=request_headers(request),
        query={name: [value] for name, value in given.items() if value is not None},
        peer=request.client.host if request.client else None,
        native=True,
        websocket=False,
    )
    connection, cursor = await admission().admit(handshake)
    if cursor.after is not None and await _has_seen_the_end(connection, cursor.after):
        await connections().release(connection)
        return Response(status_code=204)
    return EventStream(connection, cursor)


class EventStream(Response):
    """An answer that ends with its task, or when its client may see no more."""

    media_type = "text/event-stream"

    def __init__(self, connection: Connection, cursor: Cursor) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})  # or nginx would collect the events
        del self.headers["content-length"]
        self._connection = connection
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with audience().watching(self._connection, self._cursor) as watcher:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            retry = random.randint(SHORTEST_RETRY_MS, LONGEST_RETRY_MS)  # noqa: S311 - no secret
            await send(_part(f"retry: {retry}\n\n"))

            async def tell(frame: Sent) -> None:
                await send(_part(_event(frame)))

            if await watcher.serve(tell, _gone(receive)) is not None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(frame: Sent) -> str:
    id = "" if frame.sequence is None else f"id: {frame.sequence}\n"
    return f"{id}event: {NAMES.get(frame.kind, frame.kind)}\ndata: {frame.text}\n\n"


def _part(text: str) -> dict[str, object]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}


def _seen(last_event_id: str | None) -> str | None:
    return last_event_id if re.fullmatch(SEQUENCE, last_event_id or "") else None


async def _has_seen_the_end(connection: Connection, after: int) -> bool:
    latest = await reader().latest(connection.task_id)
    return latest is not None and latest.terminal and after >= latest.sequence
