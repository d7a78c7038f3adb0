"""Every error a caller may see. One tree; the status is on the class, the code is its name.

DomainError
├── BadRequest (400)             MalformedJson, AmbiguousCredentials, InvalidIdempotencyKey,
│                                InvalidOrExpiredToken, TokenAlreadyUsed, InvalidCursor
├── Unauthenticated (401)        InvalidCredentials, InvalidToken, InvalidRefreshToken,
│                                RefreshTokenReused, AmbiguousCookies, InvalidTicket
├── Forbidden (403)              EmailNotVerified, AccountDisabled, CsrfRejected, SizeBeyondPlan,
│                                ReauthenticationRequired, MailboxElsewhere, InsufficientScope
├── NotFound (404)               TaskNotFound, UserNotFound, SessionNotFound, DeliveryNotFound,
│                                ApiKeyNotFound
├── Conflict (409)               EmailTaken, TaskFinished, TaskNotFinished, TooManyApiKeys
├── PayloadTooLarge (413)
├── UnsupportedMediaType (415)
├── Unprocessable (422)          WeakPassword, IdempotencyKeyReused
├── TooManyRequests (429)        QuotaExceeded, TooManyTasksAtOnce, RateLimited, TooManySockets,
│                                TooManyPolls
├── Unavailable (503)
└── InternalError (500)
"""

import re
from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"


def problem_document(
    *, status: int, title: str, detail: str, code: str, **members: Any
) -> dict[str, Any]:
    """The body of every refusal (RFC 9457), with `code` for programs to compare."""
    named = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return {**named, "code": code, **members}


class DomainError(Exception):
    """An error of the domain, told to the caller as problem+json (RFC 9457).

    `detail` is a full sentence safe to show; `extra` members are added to the problem's body,
    `headers` to the response.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal Server Error"
    default_detail: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.detail = detail or self.default_detail
        self.headers = headers or {}
        self.extra = extra
        super().__init__(self.detail)

    @property
    def code(self) -> str:
        """The stable name clients compare: the class's name in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def document(self) -> dict[str, Any]:
        """The error as the body of an answer."""
        return problem_document(
            status=self.status, title=self.title, detail=self.detail, code=self.code, **self.extra
        )


class BadRequest(DomainError):
    status = 400
    title = "Bad Request"
    default_detail = "The request is not well formed."


class MalformedJson(BadRequest):
    default_detail = "The body is not valid JSON."


class AmbiguousCredentials(BadRequest):
    default_detail = "The request carries more than one credential of the same kind."


class InvalidIdempotencyKey(BadRequest):
    default_detail = "Idempotency-Key must be one value of 1 to 255 visible ASCII characters."


class InvalidOrExpiredToken(BadRequest):
    default_detail = "The token is unknown or has expired."


class TokenAlreadyUsed(BadRequest):
    default_detail = "The token was used before."


class InvalidCursor(BadRequest):
    default_detail = "The cursor does not belong to this list."


class Unauthenticated(DomainError):
    status = 401
    title = "Unauthorized"
    default_detail = "Sign in to do this."

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        # RFC 9110 section 15.5.2: a 401 names the scheme that would be accepted.
        super().__init__(detail, headers={"WWW-Authenticate": self.challenge()}, **extra)

    def challenge(self) -> str:
        return 'Bearer realm="api"'


class InvalidCredentials(Unauthenticated):
    default_detail = "The e-mail address or the password is wrong."


class InvalidToken(Unauthenticated):
    default_detail = "The access token is not valid, has expired or was revoked."

    def challenge(self) -> str:
        return 'Bearer realm="api", error="invalid_token"'


class InvalidRefreshToken(Unauthenticated):
    default_detail = "The refresh token is not valid or its session has ended."


class RefreshTokenReused(Unauthenticated):
    default_detail = "The refresh token was used before; its session has been ended for safety."


class AmbiguousCookies(Unauthenticated):
    default_detail = "The request carries more than one cookie with the same name."


class InvalidTicket(Unauthenticated):
    default_detail = "The ticket is unknown, was used, has expired or is for another task."


class Forbidden(DomainError):
    status = 403
    title = "Forbidden"
    default_detail = "You may not do this."


class EmailNotVerified(Forbidden):
    default_detail = "Verify the e-mail address first."


class AccountDisabled(Forbidden):
    default_detail = "This account is disabled."


class CsrfRejected(Forbidden):
    default_detail = "A browser page of another site may not send this request."


class SizeBeyondPlan(Forbidden):
    default_detail = "The plan does not allow pictures of this size."


class ReauthenticationRequired(Forbidden):
    default_detail = "Enter the password again first."


class InsufficientScope(Forbidden):
    """An API key does not permit this; `needed` is the scope that would, if one does."""

    default_detail = "No API key permits this: sign in to do it."

    def __init__(self, needed: str | None = None) -> None:
        # RFC 6750, section 3.1
        challenge = 'Bearer realm="api", error="insufficient_scope"'
        if needed is None:
            super().__init__(headers={"WWW-Authenticate": challenge})
        else:
            super().__init__(
                f"The API key does not permit this: it lacks the scope {needed}.",
                headers={"WWW-Authenticate": f'{challenge}, scope="{needed}"'},
            )


class MailboxElsewhere(Forbidden):
    default_detail = (
        "The mailbox holds everybody's links, so it is shown on this machine only: open it under "
        "localhost."
    )


class NotFound(DomainError):
    status = 404
    title = "Not Found"
    default_detail = "There is no such resource."


class TaskNotFound(NotFound):
    default_detail = "There is no such task."


class UserNotFound(NotFound):
    default_detail = "There is no such user."


class SessionNotFound(NotFound):
    default_detail = "There is no such session."


class DeliveryNotFound(NotFound):
    default_detail = "There is no such delivery."


class ApiKeyNotFound(NotFound):
    default_detail = "There is no such API key."


class Conflict(DomainError):
    status = 409
    title = "Conflict"
    default_detail = "The request conflicts with the current state."


class EmailTaken(Conflict):
    default_detail = "This e-mail address is taken."


class TaskFinished(Conflict):
    default_detail = "The task has already ended."


class TaskNotFinished(Conflict):
    default_detail = "The task has no result yet."


class TooManyApiKeys(Conflict):
    default_detail = "The account has as many API keys as it may have: revoke one first."


class PayloadTooLarge(DomainError):
    status = 413
    title = "Content Too Large"
    default_detail = "The body is too large."


class UnsupportedMediaType(DomainError):
    status = 415
    title = "Unsupported Media Type"
    default_detail = "Send the body as application/json in UTF-8."


class Unprocessable(DomainError):
    status = 422
    title = "Unprocessable Content"
    default_detail = "Some fields are missing or not valid."


class WeakPassword(Unprocessable):
    default_detail = "This password is too easy to guess."


class IdempotencyKeyReused(Unprocessable):
    default_detail = "This Idempotency-Key was used with another request."


class TooManyRequests(DomainError):
    status = 429
    title = "Too Many Requests"
    default_detail = "Too many requests; try again later."

    def __init__(
        self, detail: str | None = None, *, retry_after_seconds: int, **extra: Any
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, **extra)


class QuotaExceeded(TooManyRequests):
    default_detail = "The plan allows no more tasks in this period."


class TooManyTasksAtOnce(TooManyRequests):
    default_detail = "As many tasks as the plan allows at once already wait or run."


class RateLimited(TooManyRequests):
    """Too many requests within a window, described in the headers of
    draft-ietf-httpapi-ratelimit-headers."""

    def __init__(
        self, policy: str, *, quota: int, window_seconds: int, retry_after_seconds: int
    ) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds)
        self.policy, self.retry_after_seconds = policy, retry_after_seconds
        self.headers["RateLimit-Policy"] = f'"{policy}";q={quota};w={window_seconds}'
        self.headers["RateLimit"] = f'"{policy}";r=0;t={retry_after_seconds}'


class TooManySockets(TooManyRequests):
    default_detail = "Too many live connections are open; close one first."


class TooManyPolls(TooManyRequests):
    default_detail = (
        "As many requests as the plan allows already wait for news; follow the live stream instead."
    )


class Unavailable(DomainError):
    status = 503
    title = "Service Unavailable"
    default_detail = "A service this depends on is away; try again shortly."

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 5) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class InternalError(DomainError):
    """An unexpected fault on our side; the caller learns nothing else about it."""


class SettingsError(Exception):
    """The settings are missing or wrong; the text lists every problem."""
