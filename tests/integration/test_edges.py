"""What every answer carries, whichever function gives it and whatever its status."""

from importlib import import_module
from typing import Any

import pytest
from fastapi import Request
from fastapi.routing import APIRoute

from functions.dashboard import pages
from shared.errors import DomainError
from shared.singletons import forget_singletons
from shared.web.api import create_app, lambda_handler
from tests.http import Answer, call
from tests.unit.test_template import function_modules

SECURE = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
OURS = "https://studio.example.com"
BODY = {"content-type": "application/json"}


def http_modules() -> list[str]:
    return sorted(name for name in function_modules() if hasattr(import_module(name), "app"))


def routes() -> list[Any]:
    """All but the one of all paths, which says that there is none: tests/unit/test_pages.py."""
    return [
        pytest.param(import_module(name).handler, route, id=f"{name}:{route.path}")
        for name in http_modules()
        for route in import_module(name).app.routes
        if ":path" not in route.path
    ]


EVERY_ROUTE = pytest.mark.parametrize(("handler", "route"), routes())
EVERY_ROUTE_WITH_A_BODY = pytest.mark.parametrize(
    ("handler", "route"), [each for each in routes() if each.values[1].body_field is not None]
)
EVERY_ERROR = pytest.mark.parametrize(
    "error", DomainError.__subclasses__(), ids=lambda kind: kind.__name__
)


@pytest.fixture(autouse=True)
def deployment(backend: pytest.MonkeyPatch) -> None:
    backend.setenv("PUBLIC_URL", "https://app.example.com")
    backend.setenv("ALLOWED_ORIGINS", OURS)
    forget_singletons()


def path_of(route: APIRoute) -> str:
    return route.path.format(**dict.fromkeys(route.param_convertors, "x"))


def ask(handler: Any, route: APIRoute, method: str | None = None, **request: Any) -> Answer:
    own_method = next(iter(route.methods or ()))
    return call(handler, method or own_method, path_of(route), **request)


def check_secure(answer: Answer) -> None:
    missing = {
        name: answer.headers.get(name)
        for name, value in SECURE.items()
        if answer.headers.get(name) != value and name != "content-security-policy"
    }
    assert not missing
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert answer.headers["vary"] == "Origin, Cookie, Authorization"
    assert answer.headers["x-request-id"]


def check_problem(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(
        answer.json
    )
    assert answer.json["status"] == status


@EVERY_ROUTE
def test_every_route_answers_securely(handler, route):
    answer = ask(handler, route)

    check_secure(answer)
    for_people = handler is pages.handler and route.path == "/tasks/{task_id}"
    if for_people:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    elif answer.status >= 400:
        check_problem(answer, answer.status)


@EVERY_ROUTE
def test_an_unknown_path_is_answered_securely(handler, route):
    answer = call(handler, "GET", "/api/v1/no/such/path")

    check_secure(answer)
    if handler is pages.handler:  # it stands in for the gateway
        assert (answer.status, answer.json) == (404, {"message": "Not Found"})
    else:
        check_problem(answer, 404)


@EVERY_ROUTE
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
@pytest.mark.case("F9")
def test_another_method_is_refused_and_changes_nothing(handler, route, method):
    answer = ask(handler, route, method, query={"token": "ev1_x"}, json_body={"prompt": "x"})

    check_secure(answer)
    check_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == route.methods
    assert answer.set_cookies == ()


@EVERY_ROUTE_WITH_A_BODY
@pytest.mark.parametrize(
    ("status", "request_parts"),
    [
        (413, {"body": b'"' + b"x" * 20_000 + b'"', "headers": BODY}),
        (415, {"body": b"{}", "headers": {"content-type": "text/plain"}}),
        (400, {"body": b"{", "headers": BODY}),
        (422, {"json_body": {"no_such_member": 1}}),
    ],
)
def test_an_invalid_body_is_refused_securely(handler, route, status, request_parts):
    answer = ask(handler, route, **request_parts)

    check_secure(answer)
    # Where it matters, the function first checks who is asking, but it never reads a body past its
    # limits.
    assert answer.status in (status, 401)
    check_problem(answer, answer.status)


@EVERY_ROUTE
def test_an_unavailable_database_is_answered_securely(handler, route, backend):
    backend.setenv("DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    forget_singletons()

    answer = ask(handler, route, headers={"X-User-Id": "0a89f0bd-0000-4000-8000-000000000000"})

    check_secure(answer)
    assert answer.status != 500


@EVERY_ERROR
def test_every_kind_of_refusal_is_answered_securely(error):
    app = create_app()

    @app.get("/refuse")
    async def refuse() -> None:
        raise error(retry_after_seconds=7) if error.status in (429, 503) else error()

    answer = call(lambda_handler(app), "GET", "/refuse")

    check_secure(answer)
    check_problem(answer, error.status)
    if error.status in (429, 503):
        assert answer.headers["retry-after"] == "7"
    if error.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.case("I10")
def test_an_unexpected_error_is_answered_securely_and_without_a_traceback():
    app = create_app()

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("a secret of the inside")

    answer = call(lambda_handler(app), "GET", "/fail", headers={"origin": OURS})

    check_secure(answer)
    check_problem(answer, 500)
    assert b"secret" not in answer.body
    assert answer.headers["access-control-allow-origin"] == OURS


def test_an_answer_without_tls_sets_no_transport_security(backend):
    backend.setenv("PUBLIC_URL", "http://localhost:8000")
    forget_singletons()

    answer = call(import_module("functions.health.health").handler, "GET", "/api/health")

    assert "strict-transport-security" not in answer.headers


@EVERY_ROUTE
def test_a_page_of_the_product_may_read_every_answer(handler, route):
    answer = ask(handler, route, headers={"origin": OURS})

    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(exposed)


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "*", "", "https://evil.example", "https://studio.example.com.evil.example"),
        *("http://studio.example.com", "https://studio.example.com:8443"),
        *("https://STUDIO.example.com", "https://studio.example.com/"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.case("F10")
def test_no_other_page_may_read_any_answer(origin, method):
    answer = call(
        import_module("functions.auth.me").handler,
        method,
        "/api/v1/auth/me",
        headers={"origin": origin, "access-control-request-method": "GET"},
    )

    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[::1]:8000"},
        {"host": "[::1]"},
        {"host": "localhost:"},
        {"host": "localhost:1@evil.example"},
        {"host": "localhost", "x-forwarded-port": "https"},
        {"host": "localhost", "x-forwarded-port": "443,443"},
    ],
    ids=str,
)
def test_a_client_may_call_the_server_and_its_port_whatever_it_likes(headers):
    app = create_app()

    @app.get("/called")
    def called(request: Request) -> dict[str, str]:
        return {name: request.headers[name] for name in headers}

    answer = call(lambda_handler(app), "GET", "/called", headers=headers)

    assert (answer.status, answer.json) == (200, headers)
