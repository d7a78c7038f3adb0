import re
from collections.abc import Callable, Coroutine, MutableMapping
from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from mangum import Mangum
from mangum.handlers import HTTPGateway
from starlette.exceptions import HTTPException

from shared import strict_json
from shared.errors import (
    PROBLEM_MEDIA_TYPE,
    BadRequest,
    DomainError,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from shared.process.entry_point import entry_point
from shared.process.event_loop import adopt_loop
from shared.web import problem
from shared.web.edge import Edge

MAX_BODY_BYTES = 16 * 1024
# Such as \u00e9: many clients write all of their text so. It counts as the two bytes of UTF-16.
ESCAPE, ESCAPE_BYTES, COUNTED_BYTES = re.compile(rb"\\u[0-9a-fA-F]{4}"), 6, 2
UNREAD_HEADERS = frozenset({"host", "x-forwarded-port"})
TEXT_MEDIA_TYPES = ["text/", "application/json", "application/javascript", PROBLEM_MEDIA_TYPE]

LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]


def create_app() -> FastAPI:
    """An application for one route. It reads strictly, and refuses with problem+json."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.route_class = StrictRoute
    app.add_middleware(Edge)
    app.add_exception_handler(DomainError, problem.domain_error)
    app.add_exception_handler(RequestValidationError, problem.validation_error)
    app.add_exception_handler(HTTPException, problem.http_error)
    return app


def lambda_handler(app: FastAPI) -> LambdaHandler:
    """The handler that Lambda calls: the app under Mangum, on the process's loop, without lifespan
    events."""

    @cache
    def adapter() -> Mangum:
        return Mangum(
            app,
            lifespan="off",
            custom_handlers=[_HttpApi],
            text_mime_types=TEXT_MEDIA_TYPES,
        )

    @entry_point
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        adopt_loop()
        return adapter()(event, context)

    return handler


class _HttpApi(HTTPGateway):
    """An event of the HTTP API. Mangum would read a port, which nobody here needs, from headers
    that a client may fill with anything, and fails where there is none: `Host: [::1]:8000`."""

    @property
    def scope(self) -> MutableMapping[str, Any]:
        sent: dict[str, str] = self.event["headers"]
        readable = {name: sent[name] for name in sent if name.lower() not in UNREAD_HEADERS}
        scope = HTTPGateway({**self.event, "headers": readable}, self.context, self.config).scope
        scope["headers"] += [
            [name.lower().encode(), sent[name].encode()] for name in sent.keys() - readable.keys()
        ]
        return scope


class StrictRequest(Request):
    """A request whose JSON is parsed before FastAPI does it, which would hide why it is wrong."""

    parsed: Any = None

    async def json(self) -> Any:
        return self.parsed


class StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            _refuse_repeated_parameters(request)
            strict = StrictRequest(request.scope, request.receive)
            if self.body_field is not None and (body := await strict.body()):
                _check_body(strict, body)
                strict.parsed = strict_json.loads(body)
            return await handle(strict)

        return handle_strictly


def _refuse_repeated_parameters(request: Request) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        raise BadRequest("A query parameter was given more than once.")


def _check_body(request: Request, body: bytes) -> None:
    if _size(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    if not _is_json(request.headers.get("content-type", "")):
        raise UnsupportedMediaType


def _size(body: bytes) -> int:
    """The bytes of a body. Its escapes count as what they stand for, so that a text that fits does
    so however a client writes it."""
    if not MAX_BODY_BYTES < len(body) <= MAX_BODY_BYTES * ESCAPE_BYTES // COUNTED_BYTES:
        return len(body)
    return len(body) - len(ESCAPE.findall(body)) * (ESCAPE_BYTES - COUNTED_BYTES)


def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == "application/json" and charset in ("", "charset=utf-8")
