from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.schemas import texts
from shared.schemas.auth import EmailAddress, NewEmailAddress, Password, Token, Verification
from shared.schemas.base import RequestBody, ResponseBody

DisplayName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(texts.check_line)]
# The shape of a language tag (RFC 5646): a language, then script, region and variants.
Locale = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class AddressRequest(RequestBody):
    email: EmailAddress


class EmailChangeRequest(RequestBody):
    email: NewEmailAddress


class TokenRequest(RequestBody):
    token: Token


class ResetRequest(RequestBody):
    token: Token
    password: str  # the password policy says what is wrong with a new one


class PasswordChangeRequest(RequestBody):
    current_password: Password
    new_password: str


class ReauthenticateRequest(RequestBody):
    password: Password


class ProfileUpdate(RequestBody):
    """A missing member keeps its value; null clears it."""

    display_name: DisplayName | None = None
    locale: Locale | None = None


class Accepted(ResponseBody):
    """The same for every address: only its mailbox learns whether anything happens."""

    status: Literal["accepted"] = "accepted"


class ResendResponse(Accepted):
    """Contains a verification only if its token is not sent to the mailbox alone."""

    verification: Verification | None = None


class EmailConfirmed(ResponseBody):
    """`undone` is true if the old address took the account back; it then needs a new password."""

    status: Literal["changed", "undone"]
