"""Which errors each operation of the schema can answer.

To document an error of a route, add its class to the route's line in OF_ROUTES. A test compares
these lines with what the source can raise, another with what all tests were answered.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from shared.errors import (
    PROBLEM_MEDIA_TYPE,
    AccountDisabled,
    AmbiguousCookies,
    AmbiguousCredentials,
    ApiKeyNotFound,
    BadRequest,
    CsrfRejected,
    DeliveryNotFound,
    DomainError,
    EmailNotVerified,
    EmailTaken,
    IdempotencyKeyReused,
    InsufficientScope,
    InternalError,
    InvalidCredentials,
    InvalidCursor,
    InvalidIdempotencyKey,
    InvalidOrExpiredToken,
    InvalidRefreshToken,
    InvalidToken,
    MalformedJson,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
    RateLimited,
    ReauthenticationRequired,
    RefreshTokenReused,
    SessionNotFound,
    SizeBeyondPlan,
    TaskFinished,
    TaskNotFinished,
    TaskNotFound,
    TokenAlreadyUsed,
    TooManyApiKeys,
    TooManyPolls,
    TooManyTasksAtOnce,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    UnsupportedMediaType,
    WeakPassword,
    problem_document,
)
from shared.models.api_key_scope import Scope
from shared.web.authentication import Asking, OwnPageOnly, Permitting, authenticated

Errors = Iterable[type[DomainError]]

OF_ROUTES: Mapping[str, tuple[type[DomainError], ...]] = {
    "POST /api/v1/auth/register": (EmailTaken, WeakPassword, RateLimited),
    "POST /api/v1/auth/verify": (InvalidOrExpiredToken, TokenAlreadyUsed, RateLimited),
    "POST /api/v1/auth/verify/resend": (RateLimited,),
    "POST /api/v1/auth/login": (
        InvalidCredentials,
        EmailNotVerified,
        AccountDisabled,
        RateLimited,
    ),
    "POST /api/v1/auth/refresh": (
        InvalidIdempotencyKey,
        InvalidRefreshToken,
        RefreshTokenReused,
        AmbiguousCookies,
        RateLimited,
    ),
    "POST /api/v1/auth/reauthenticate": (
        InvalidCredentials,
        ReauthenticationRequired,
        RateLimited,
    ),
    "POST /api/v1/auth/password/forgot": (RateLimited,),
    "POST /api/v1/auth/password/reset": (
        InvalidOrExpiredToken,
        TokenAlreadyUsed,
        WeakPassword,
        RateLimited,
    ),
    "POST /api/v1/auth/password/change": (InvalidCredentials, WeakPassword, RateLimited),
    "POST /api/v1/auth/email/change": (ReauthenticationRequired, RateLimited),
    "POST /api/v1/auth/email/confirm": (
        InvalidOrExpiredToken,
        TokenAlreadyUsed,
        EmailTaken,
        RateLimited,
    ),
    "DELETE /api/v1/auth/me": (ReauthenticationRequired,),
    "POST /api/v1/auth/api-keys": (ReauthenticationRequired, TooManyApiKeys, RateLimited),
    "DELETE /api/v1/auth/api-keys/{key_id}": (ApiKeyNotFound,),
    "DELETE /api/v1/auth/sessions/{session_id}": (SessionNotFound,),
    "POST /api/v1/tasks": (
        InvalidIdempotencyKey,
        IdempotencyKeyReused,
        SizeBeyondPlan,
        QuotaExceeded,
        TooManyTasksAtOnce,
    ),
    "GET /api/v1/tasks": (InvalidCursor,),
    "GET /api/v1/tasks/{task_id}": (TaskNotFound, TooManyPolls),
    "DELETE /api/v1/tasks/{task_id}": (TaskNotFound, TaskNotFinished),
    "POST /api/v1/tasks/{task_id}/cancel": (TaskNotFound, TaskFinished),
    "POST /api/v1/tasks/{task_id}/retry": (
        TaskNotFound,
        TaskNotFinished,
        InvalidIdempotencyKey,
        IdempotencyKeyReused,
        SizeBeyondPlan,
        QuotaExceeded,
        TooManyTasksAtOnce,
    ),
    "GET /api/v1/tasks/{task_id}/result": (TaskNotFound, TaskNotFinished, NotFound),
    "GET /api/v1/tasks/{task_id}/thumbnails/{width}": (TaskNotFound, TaskNotFinished, NotFound),
    "POST /api/v1/tasks/{task_id}/ws-ticket": (TaskNotFound,),
    "GET /api/v1/webhooks/deliveries": (InvalidCursor,),
    "POST /api/v1/webhooks/deliveries/{delivery_id}/redeliver": (DeliveryNotFound, RateLimited),
}

# A query parameter that is given twice is refused, whether the route takes any or not.
OF_EVERY_ROUTE = (BadRequest, InternalError)
OF_PARAMETERS = (Unprocessable,)
OF_A_BODY = (MalformedJson, PayloadTooLarge, UnsupportedMediaType, Unprocessable)
OF_A_CALLER = (
    AmbiguousCredentials,
    Unauthenticated,
    InvalidToken,
    AmbiguousCookies,
    CsrfRejected,
    InsufficientScope,
)
OF_OWN_PAGES = (CsrfRejected,)
NEED_NOTHING = frozenset(("GET /.well-known/jwks.json", "GET /api/health"))
# What a route's code can raise and the route does not answer.
NEVER = {
    # A gateway takes any status but 401 and 403 for a fault: this is answered as `invalid_token`.
    "GET /api/v1/auth/authorize": frozenset((AmbiguousCredentials,)),
    # The route tells of it in a document of its own.
    "GET /api/health": frozenset((Unavailable,)),
}

# Members that some problems have besides those of every problem.
MORE: Mapping[type[DomainError], Mapping[str, Any]] = {
    Unprocessable: {
        "errors": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]
    },
    SizeBeyondPlan: {"plan": "free", "longest_side": 1024},
    QuotaExceeded: {"plan": "free", "limit": 100},
    TooManyTasksAtOnce: {"plan": "free", "limit": 5},
}
HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "The scheme that would be accepted."},
    429: {"Retry-After": "In so many seconds the request may succeed."},
    503: {"Retry-After": "In so many seconds the request may succeed."},
}
RATE_HEADERS = {
    "RateLimit": "What is left of the window's quota, and the seconds until it ends.",
    "RateLimit-Policy": "The quota and the length of the window in seconds.",
}
# What API Gateway itself answers, in a form of its own.
OF_THE_GATEWAY = {
    413: "The body is larger than 10 MB.",
    431: "The address or the headers are too large.",
    500: "The function failed.",
    503: "The function did not answer in time.",
}
GATEWAY_BODY = {"schema": {"$ref": "#/components/schemas/GatewayError"}}


def name(route: APIRoute) -> str:
    return f"{next(iter(route.methods or ()))} {route.path}"


def errors_of(route: APIRoute) -> list[type[DomainError]]:
    """The errors that a route can answer, by their status."""
    found: set[type[DomainError]] = {*OF_EVERY_ROUTE, *OF_ROUTES.get(name(route), ())}
    dependant = route.dependant
    if name(route) not in NEED_NOTHING:
        found.add(Unavailable)
    if any(_parameters(dependant)):
        found.update(OF_PARAMETERS)
    if route.body_field is not None:
        found.update(OF_A_BODY)
    if asks_who(dependant):
        found.update(OF_A_CALLER)
    if OwnPageOnly in route.dependencies:
        found.update(OF_OWN_PAGES)
    found -= NEVER.get(name(route), frozenset())
    return sorted(found, key=lambda each: (each.status, code(each)))


def asks_who(dependant: Dependant) -> bool:
    if dependant.call is authenticated or isinstance(dependant.call, Asking | Permitting):
        return True
    return any(map(asks_who, dependant.dependencies))


def scope_of(dependant: Dependant) -> Scope | None:
    """What an API key needs for a route; None if none may pass."""
    if isinstance(dependant.call, Asking | Permitting):
        return dependant.call.scope
    return next(filter(None, map(scope_of, dependant.dependencies)), None)


def code(error: type[DomainError]) -> str:
    return error.__new__(error).code


def answers(route: APIRoute) -> dict[str, Any]:
    """The refusals of an operation, as its `responses` in OpenAPI."""
    by_status: dict[int, list[type[DomainError]]] = defaultdict(list)
    for error in errors_of(route):
        by_status[error.status].append(error)
    return {
        str(status): _answer(status, by_status[status])
        for status in sorted({*by_status, *OF_THE_GATEWAY})
    }


def _answer(status: int, errors: list[type[DomainError]]) -> dict[str, Any]:
    told = [f"`{code(error)}`: {error.default_detail}" for error in errors]
    content: dict[str, Any] = {}
    if errors:
        content[PROBLEM_MEDIA_TYPE] = {
            "schema": _schema(status, errors),
            "examples": {code(error): _ref("examples", code(error)) for error in errors},
        }
    if status in OF_THE_GATEWAY:
        told.append(f"From the gateway: {OF_THE_GATEWAY[status]}")
        content["application/json"] = GATEWAY_BODY
    answer: dict[str, Any] = {"description": "\n\n".join(told), "content": content}
    sent = [*HEADERS.get(status, {}), *(RATE_HEADERS if RateLimited in errors else {})]
    if sent:
        answer["headers"] = {header: _ref("headers", header) for header in sent}
    return answer


def headers() -> dict[str, Any]:
    """The headers of refusals, as components of the schema."""
    every = {**RATE_HEADERS, **{name: each[name] for each in HEADERS.values() for name in each}}
    return {
        header: {"description": meaning, "schema": {"type": "string"}}
        for header, meaning in sorted(every.items())
    }


def examples(routes: Iterable[APIRoute]) -> dict[str, Any]:
    """A problem for each error that some route answers, as components of the schema."""
    found = {error for route in routes if route.include_in_schema for error in errors_of(route)}
    return {code(error): _example(error) for error in sorted(found, key=code)}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema(status: int, errors: list[type[DomainError]]) -> dict[str, Any]:
    codes = [code(error) for error in errors]
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    return {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}


def _example(error: type[DomainError]) -> dict[str, Any]:
    document = problem_document(
        status=error.status,
        title=error.title,
        detail=error.default_detail,
        code=code(error),
        **MORE.get(error, {}),
        instance="/api/v1/tasks",
        request_id="Y2hhc2U9",
    )
    return {"summary": HTTPStatus(error.status).phrase, "value": document}


def _parameters(dependant: Dependant) -> Iterator[object]:
    yield from (*dependant.path_params, *dependant.query_params, *dependant.header_params)
    for inner in dependant.dependencies:
        yield from _parameters(inner)
