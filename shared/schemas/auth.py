from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from shared import email_addresses, settings
from shared.models.user import UserStatus
from shared.schemas.base import RequestBody, ResponseBody
from shared.schemas.user import UserRead
from shared.security.password_policy import MAXIMUM_BYTES, MAXIMUM_LENGTH

MAXIMUM_TOKEN_LENGTH = 4096


def _check_address(address: str) -> str:
    email_addresses.canonical(address)
    return address


def _check_mailable(address: str) -> str:
    """Refuse, before an account depends on it, what our mails would never reach."""
    if "\ufffd" in address:
        raise ValueError("The address holds U+FFFD, which stands for bytes that are not UTF-8.")
    if settings.mail().ascii_only:
        email_addresses.in_ascii(address)
    return address


def _check_bytes(password: str) -> str:
    if len(password.encode()) > MAXIMUM_BYTES:
        raise ValueError("The password is too long.")
    return password


EmailAddress = Annotated[
    str,
    Field(max_length=email_addresses.MAXIMUM_LENGTH, json_schema_extra={"format": "email"}),
    AfterValidator(_check_address),
]
NewEmailAddress = Annotated[EmailAddress, AfterValidator(_check_mailable)]
Password = Annotated[
    str, Field(min_length=1, max_length=MAXIMUM_LENGTH), AfterValidator(_check_bytes)
]
Token = Annotated[str, Field(min_length=1, max_length=MAXIMUM_TOKEN_LENGTH)]


class RegisterRequest(RequestBody):
    email: NewEmailAddress
    password: str  # the password policy says what is wrong with a new one


class LoginRequest(RequestBody):
    email: EmailAddress
    password: Password
    remember: bool = True


class VerifyRequest(RequestBody):
    token: Token


class RefreshRequest(RequestBody):
    refresh_token: Token | None = None


class LogoutRequest(RequestBody):
    refresh_token: str | None = None


class RegisteredUser(ResponseBody):
    """Contains no id if the answer must not distinguish a new address from a known one."""

    id: UUID | None
    email: str
    status: Literal[UserStatus.PENDING] = UserStatus.PENDING


class Verification(ResponseBody):
    """Contains the token only if it is not sent to the mailbox alone."""

    expires_at: datetime
    token: str | None


class RegisterResponse(ResponseBody):
    user: RegisteredUser
    verification: Verification


class VerifyResponse(ResponseBody):
    status: Literal[UserStatus.ACTIVE] = UserStatus.ACTIVE


class TokenResponse(ResponseBody):
    """Lifetimes are in seconds. The tokens are missing if only cookies carry them."""

    access_token: str | None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750's name of the scheme
    expires_in: int
    refresh_token: str | None
    refresh_expires_in: int
    user: UserRead
