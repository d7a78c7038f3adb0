import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import DomainError, Unprocessable

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def problem(
    request: Request,
    *,
    status: int,
    title: str,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    """An error as RFC 9457 wants it, with `code` for programs and `request_id` for support."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "request_id": request.state.request_id,
        **extra,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


async def domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 - how the handler is registered
    if error.status >= 500:
        logger.error("Request refused", extra={"code": error.code}, exc_info=error)
    return problem(
        request,
        status=error.status,
        title=error.title,
        code=error.code,
        detail=error.detail,
        headers=error.headers,
        **error.extra,
    )


async def validation_error(request: Request, error: Exception) -> JSONResponse:
    """422 with where and why, never with the input: it may be a password."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - how the handler is registered
    errors = [
        {"loc": [str(part) for part in each["loc"]], "msg": each["msg"], "type": each["type"]}
        for each in error.errors()
    ]
    return await domain_error(request, Unprocessable(errors=errors))


async def http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - how the handler is registered
    title = str(error.detail)
    return problem(
        request,
        status=error.status_code,
        title=title,
        code=title.lower().replace(" ", "_"),
        detail=f"{title}.",
        headers=error.headers,
    )
