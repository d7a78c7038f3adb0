"""Which function a signed request to AWS is from.

Each function has a session token of its own, as on Lambda, where its role gives it one. Every
client of AWS sends it beside the signature, whatever its language.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

VARIABLE: Final = "AWS_SESSION_TOKEN"
HEADER: Final = "x-amz-security-token"
PARAMETER: Final = "X-Amz-Security-Token"
# What processes have that are no function's, or were none's before.
SHARED: Final = ("local", "test")
_BEGINNING: Final = "lampwork-function:"


def token_of(function: str) -> str:
    """The session token of a function, by its logical id."""
    return _BEGINNING + function


def known_by_token(variables: Mapping[str, str], function: str) -> dict[str, str]:
    """The variables of a process that works for this function, with the function's token; with the
    user's own, if they set one."""
    if variables.get(VARIABLE) not in SHARED:
        return dict(variables)
    return {**variables, VARIABLE: token_of(function)}


def caller(headers: Mapping[str, str], query: str) -> str | None:
    """The logical id of the function that has signed the request; None if no function has.

    `headers` have names in lower case. A link that a function has signed is its request, whoever
    follows it.
    """
    token = headers.get(HEADER, "")
    if not token and PARAMETER in query:
        token = parse_qs(query).get(PARAMETER, [""])[0]
    return token.removeprefix(_BEGINNING) if token.startswith(_BEGINNING) else None
