"""The messages that a pool would send, and the codes in them by which users show to have read one.

They go to the terminal: who signs up here reads there the code that Cognito would mail. Codes are
kept with the users and, unlike Cognito's, do not expire.
"""

import hmac
import secrets
import string
import sys
from collections.abc import Mapping
from typing import Any, Final

from lampwork.cloud.moto_seam import cognito
from lampwork.cloud.moto_seam.cognito import Pool, User
from lampwork.cloud.user_pools.refusals import Refused

CODE: Final = "{####}"
USERNAME: Final = "{username}"
INVITATION: Final = "CustomMessage_AdminCreateUser"
# A mail may be a whole page of HTML.
LONGEST: Final = 300
DIGITS: Final = 6
# One of each kind that a password policy may ask for, before letters.
KINDS: Final = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "!#%+?")
PASSWORD_LETTERS: Final = 8


def new_code(user: User) -> str:
    """A code that is right from now on, instead of an earlier one."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    cognito.set_code(user, code)
    return code


def check_code(user: User, given: str) -> None:
    """
    Raises:
        Refused: this is not the code that the user was sent, or none was sent.
    """
    code = cognito.code_of(user)
    if code is None:
        text = "Invalid code provided, please request a code again."
        raise Refused("ExpiredCodeException", text)
    if not hmac.compare_digest(code.encode(), given.encode()):
        text = "Invalid verification code provided, please try again."
        raise Refused("CodeMismatchException", text)


def temporary_password() -> str:
    """A password for a user whom an administrator makes without one."""
    firsts = "".join(secrets.choice(kind) for kind in KINDS)
    letters = string.ascii_letters + string.digits
    return firsts + "".join(secrets.choice(letters) for _ in range(PASSWORD_LETTERS))


def attribute_for(pool: Pool, user: User) -> str:
    """The attribute with the address for codes. A number comes before a mail address if the pool
    verifies it.

    https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
    """
    verified = pool.extended_config.get("AutoVerifiedAttributes") or ()
    by_phone = "phone_number" in verified or "email" not in user.attribute_lookup
    return "phone_number" if by_phone and "phone_number" in user.attribute_lookup else "email"


def delivery(user: User, attribute: str) -> dict[str, str]:
    """The `CodeDeliveryDetails` of an answer, in which most of the address is hidden."""
    address = user.attribute_lookup.get(attribute, "")
    name, _, domain = address.partition("@")
    by_mail = attribute == "email"
    return {
        "AttributeName": attribute,
        "DeliveryMedium": "EMAIL" if by_mail else "SMS",
        "Destination": f"{name[:1]}***@{domain[:1]}***" if by_mail else f"+*******{address[-4:]}",
    }


def tell(
    source: str, pool: Pool, user: User, code: str, attribute: str, custom: Mapping[str, Any]
) -> None:
    """Print a message. `custom` is the answer of the pool's function that words its messages."""
    by_mail = attribute != "phone_number"
    text = custom.get("emailMessage" if by_mail else "smsMessage")
    text = text or _of_the_pool(source, pool, by_mail=by_mail) or ""
    shown = text.replace(CODE, code).replace(USERNAME, user.username)
    shown = " ".join(shown.split())[:LONGEST]
    what = "temporary password" if source == INVITATION else "code"
    address = user.attribute_lookup.get(attribute) or "no address"
    line = f"{pool.name} would send {user.username} ({address}) the {what} {code}"
    if shown:
        line = f'{line}: "{shown}"'
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the server's log


def _of_the_pool(source: str, pool: Pool, *, by_mail: bool) -> str | None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-settings-message-customizations.html"""
    settings = pool.extended_config
    kind = "EmailMessage" if by_mail else "SMSMessage"
    if source == INVITATION:
        admin = settings.get("AdminCreateUserConfig") or {}
        text: str | None = (admin.get("InviteMessageTemplate") or {}).get(kind)
        return text
    template = settings.get("VerificationMessageTemplate") or {}
    text = template.get("EmailMessage" if by_mail else "SmsMessage")
    older = "EmailVerificationMessage" if by_mail else "SmsVerificationMessage"
    return text or settings.get(older)
