"""JWT authorizers of HTTP APIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

import json
import time
from collections.abc import Callable, Mapping

import jwt

from lampwork.events.caller import Caller
from lampwork.front.authorizers.refusals import Denied, Unauthenticated
from lampwork.front.authorizers.tokens.issuer_keys import (
    ALGORITHMS,
    IssuerKeys,
    KeysUnknown,
    Places,
    published_by_itself,
)
from lampwork.stack.authorization import JwtAuthorizer

# AWS publishes only the first of these texts; the others are our own.
CHALLENGES: dict[type[Exception], str] = {
    jwt.InvalidAudienceError: "the token does not have a valid audience",
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token does not have a valid issuer",
    jwt.InvalidSignatureError: "the token's signature is not valid",
    jwt.InvalidAlgorithmError: "the token's signing method is not supported",
}


class JwtVerifier:
    """Checks the tokens of one issuer against the keys that the issuer publishes."""

    def __init__(
        self,
        authorizer: JwtAuthorizer,
        places: Places = published_by_itself,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authorizer = authorizer
        self._keys = IssuerKeys(authorizer.issuer, places, clock)

    async def verify(self, value: str, scopes: tuple[str, ...]) -> Caller:
        """The caller whose token this is. `value` is a token, with or without `Bearer ` before it.

        Raises:
            Unauthenticated: the token is not valid now for this issuer and audience, or the
                issuer's keys cannot be read.
            Denied: `scopes` is not empty and the token has none of them.
        """
        scheme, _, rest = value.partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else value
        claims = await self._claims(token)
        granted = _scopes(claims)
        if scopes and not set(scopes) & set(granted):
            raise Denied(_challenge("insufficient_scope", "insufficient scope", scopes))
        return Caller(
            "jwt",
            {
                "claims": {name: _text(claim) for name, claim in claims.items()},
                "scopes": granted if scopes else None,
            },
        )

    async def _claims(self, token: str) -> Mapping[str, object]:
        try:
            key = await self._keys.of(token)
            claims: Mapping[str, object] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._authorizer.issuer,
                options={"verify_aud": False, "require": ["exp"]},
            )
        except KeysUnknown as error:
            raise _refused(str(error)) from error
        except jwt.InvalidTokenError as error:
            reason = CHALLENGES.get(type(error), "the token is not valid")
            raise _refused(reason) from error
        if not self._is_for_us(claims):
            raise _refused(CHALLENGES[jwt.InvalidAudienceError])
        return claims

    def _is_for_us(self, claims: Mapping[str, object]) -> bool:
        """Whether the token is for our audience. `client_id` counts only if there is no `aud`."""
        found = claims.get("aud", claims.get("client_id"))
        return bool(set(found if isinstance(found, list) else [found]) & {*self._audience})

    @property
    def _audience(self) -> tuple[str, ...]:
        return self._authorizer.audience


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(_challenge("invalid_token", reason))


def _challenge(error: str, description: str, scopes: tuple[str, ...] = ()) -> str:
    # API Gateway writes no commas between the parts, although RFC 6750 does.
    return f'Bearer scope="{" ".join(scopes)}" error="{error}" error_description="{description}"'


def _scopes(claims: Mapping[str, object]) -> list[str]:
    granted = claims.get("scope", claims.get("scp", ""))
    return [str(each) for each in (granted if isinstance(granted, list) else str(granted).split())]


def _text(claim: object) -> str:
    """A claim as an event holds it: always a string. A list becomes `[a b]`."""
    if isinstance(claim, list):
        return f"[{' '.join(map(_text, claim))}]"
    if isinstance(claim, str):
        return claim
    return json.dumps(claim)
