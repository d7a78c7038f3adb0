"""Why a provider gave no picture: a message for the client, and the reason for the operator's
log."""

import logging
from http import HTTPStatus

from shared.generators.port import GenerationFailed

logger = logging.getLogger(__name__)

PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.FAILED_DEPENDENCY,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


def content_rejected(reason: str) -> GenerationFailed:
    message = "The generator does not make pictures of this prompt."
    return _failure("content_rejected", message, reason)


def prompt_too_long(max_characters: int) -> GenerationFailed:
    message = f"The generator takes prompts of {max_characters} characters at most."
    return _failure("prompt_too_long", message, "prompt too long")


def rate_limited(reason: str, retry_after_seconds: float | None = None) -> GenerationFailed:
    message = "The generator is busy; the task is tried again later."
    return _failure(
        "rate_limited", message, reason, retryable=True, retry_after_seconds=retry_after_seconds
    )


def unavailable(reason: str) -> GenerationFailed:
    message = "The generator cannot be reached at the moment."
    return _failure("generator_unavailable", message, reason, retryable=True)


def misconfigured(reason: str) -> GenerationFailed:
    message = "The generator is not set up; its operator has to see to it."
    return _failure("generator_misconfigured", message, reason, level=logging.ERROR)


def invalid_output(reason: str) -> GenerationFailed:
    message = "The generator gave something that is no picture."
    return _failure("invalid_output", message, reason)


def of_status(
    status: int, reason: str, *, retry_after_seconds: float | None = None
) -> GenerationFailed:
    """What an unsuccessful status means, where the answer itself says nothing more precise.

    A faulty request means faulty settings, since the request is made from them.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return rate_limited(reason, retry_after_seconds)
    return unavailable(reason) if passes(status) else misconfigured(reason)


def passes(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING


def _failure(
    code: str,
    message: str,
    reason: str,
    *,
    retryable: bool = False,
    retry_after_seconds: float | None = None,
    level: int = logging.WARNING,
) -> GenerationFailed:
    """`reason` goes to the log, so it must hold no prompt, no key and no URL."""
    logger.log(level, "No picture was generated", extra={"code": code, "reason": reason})
    return GenerationFailed(
        code, message, retryable=retryable, retry_after_seconds=retry_after_seconds
    )
