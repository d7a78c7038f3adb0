"""All HTTP functions, live sockets and event streams as one ASGI application, for servers that run
on and serve many requests at once."""

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import database
from shared.clients import redis_client
from shared.errors import PayloadTooLarge
from shared.process import metrics
from shared.process.entry_point import prepare
from shared.stream.native.audience import audience
from shared.stream.reader import reader
from shared.web.api import COUNTED_BYTES, ESCAPE_BYTES, MAX_BODY_BYTES, create_app
from shared.web.server import events, websocket

# What has no route of its own: a page says so, but not where another method would do.
ANYTHING = "/{unknown:path}"
SOCKET_PATH = re.compile(r"/ws/tasks/([^/]+)")
# No route takes more, however a text is escaped: see `shared.web.api`.
MAX_RECEIVED_BYTES = MAX_BODY_BYTES * ESCAPE_BYTES // COUNTED_BYTES
# A function serves one request at a time with one connection; a process of this serves many.
POOL_SIZE = "8"


@dataclass(frozen=True)
class Application:
    """Leads each request to the application of its function.

    The functions' own routes are the only list. As at a gateway, a route with a fixed segment goes
    before one with a parameter there.
    """

    table: tuple[tuple[Route, ASGIApp], ...]
    refusing: ASGIApp

    @classmethod
    def of(cls, apps: Iterable[FastAPI]) -> "Application":
        found = [
            (route, app)
            for app in (*apps, events.app)
            for route in app.routes
            if isinstance(route, Route)
        ]
        found.sort(key=lambda each: [part.startswith("{") for part in each[0].path.split("/")])
        return cls(tuple(found), _refusing())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await self._serve_socket(scope, receive, send)
            case _:
                await self._app_for(scope)(scope, partial(_bounded, receive, _Received()), send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A socket on the task of the path. A proxy may have rewritten it to a stage's address, as
        for API Gateway; then `task_id` names the task, and its handshake is refused without one."""
        found = SOCKET_PATH.fullmatch(scope["path"])
        await websocket.serve(scope, receive, send, task_id=found[1] if found else None)

    def _app_for(self, scope: Scope) -> ASGIApp:
        allowed: set[str] = set()
        for route, app in self.table:
            match route.matches(scope)[0]:
                case Match.FULL if not (route.path == ANYTHING and allowed):
                    return app
                case Match.PARTIAL if route.path != ANYTHING:
                    allowed |= route.methods or set()
        scope.setdefault("state", {})["allowed"] = allowed
        return self.refusing


def _refusing() -> FastAPI:
    """Answers what has no route, with problem+json as functions do."""
    app = create_app()

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if allowed := scope["state"]["allowed"]:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)

    app.mount("/", refuse)
    return app


@dataclass
class _Received:
    size: int = 0


async def _bounded(receive: Receive, received: _Received) -> Message:
    """The next message of a body, unless the body has grown larger than any route takes."""
    message = await receive()
    received.size += len(message.get("body", b""))
    if received.size > MAX_RECEIVED_BYTES:
        raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return message


async def _live(receive: Receive, send: Send) -> None:
    """Prepare the process when the server starts, and free what it holds when it ends."""
    await receive()
    try:
        os.environ.setdefault("DATABASE_POOL_SIZE", POOL_SIZE)
        prepare()
        audience().start()
        end_streams = _on_stop(audience().close)
    except Exception as error:  # whatever it was, the server says it and exits
        return await send({"type": "lifespan.startup.failed", "message": str(error)})
    await send({"type": "lifespan.startup.complete"})
    await receive()
    end_streams()
    await audience().stop()
    await reader().close()
    await redis_client.client().aclose()
    await database.engine().dispose()
    metrics.flush()
    await send({"type": "lifespan.shutdown.complete"})


def _on_stop(stop: Callable[[], None]) -> Callable[[], None]:
    """Also do this when the server is told to stop.

    A server waits for open answers before it tells the application that it ends; an event stream
    would never end by itself. Returns what does it.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(sent: int, frame: FrameType | None, before: Any = before) -> None:
            loop.call_soon_threadsafe(stop)
            if callable(before):
                before(sent, frame)

        if callable(before):
            signal.signal(number, handle)
    return stop
