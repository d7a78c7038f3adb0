import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import PROBLEM_MEDIA_TYPE, DomainError, Unprocessable, problem_document

logger = logging.getLogger(__name__)


def problem(
    request: Request, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A refusal of this request, with its `request_id` for support."""
    about = {"instance": request.url.path, "request_id": request.state.request_id}
    return JSONResponse(
        {**document, **about}, document["status"], headers, media_type=PROBLEM_MEDIA_TYPE
    )


async def domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 - how the handler is registered
    if error.status >= 500:
        logger.error("Request refused", extra={"code": error.code}, exc_info=error)
    return problem(request, error.document, error.headers)


async def validation_error(request: Request, error: Exception) -> JSONResponse:
    """422 that says where and why, never the input, which may be a password."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - how the handler is registered
    errors = [
        {"loc": [str(part) for part in each["loc"]], "msg": each["msg"], "type": each["type"]}
        for each in error.errors()
    ]
    return await domain_error(request, Unprocessable(errors=errors))


async def http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - how the handler is registered
    title = str(error.detail)
    code = title.lower().replace(" ", "_")
    document = problem_document(
        status=error.status_code, title=title, detail=f"{title}.", code=code
    )
    return problem(request, document, error.headers)
