from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lampwork.front.server import Front
from lampwork.stack.model import Function, HttpApi, HttpRoute, PathRewrite, Stack, WebSocketApi
from lampwork.stack.model import WebSocketRoute as Route
from tests.emulator.fakes import FakeInvoker


@asynccontextmanager
async def running_front(
    stack: Stack, invoker: FakeInvoker, data_dir: Path, *, port: int = 0, time_scale: float = 1
) -> AsyncIterator[Front]:
    front = Front(stack, invoker, data_dir=data_dir, port=port, time_scale=time_scale)
    await front.start()
    try:
        yield front
    finally:
        await front.stop()


def function(name: str) -> Function:
    return Function(
        logical_id=name, name=f"stack-{name}", handler=f"{name}.handler", code_dir=Path()
    )


def http_api(*routes: tuple[str, str, str], stage: str = "$default", timeout: float = 5) -> HttpApi:
    """Each route is (method, path, function)."""
    return HttpApi(
        logical_id="HttpApi",
        api_id="abc123defg",
        stage=stage,
        routes=tuple(HttpRoute(m, p, f, timeout_seconds=timeout) for m, p, f in routes),
    )


def websocket_api(*keys: str, timeout: float = 5, rewrites: tuple[str, ...] = ()) -> WebSocketApi:
    """Each route's function has its key's name, without a `$`."""
    return WebSocketApi(
        logical_id="WebSocketApi",
        api_id="ws1234567",
        stage="prod",
        route_selection_expression="$request.body.action",
        routes={key: Route(key, key.lstrip("$"), timeout_seconds=timeout) for key in keys},
        rewrites=tuple(map(PathRewrite, rewrites)),
    )


def stack(*apis: HttpApi | WebSocketApi, functions: tuple[str, ...] = ()) -> Stack:
    return Stack(
        functions={name: function(name) for name in functions},
        http_apis=tuple(api for api in apis if isinstance(api, HttpApi)),
        websocket_apis=tuple(api for api in apis if isinstance(api, WebSocketApi)),
    )
