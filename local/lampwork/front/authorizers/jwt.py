"""JWT authorizers of HTTP APIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from lampwork.events.caller import Caller
from lampwork.front.authorizers.refusals import Denied, Unauthenticated
from lampwork.stack.authorization import JwtAuthorizer

logger = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512"]
KEYS_SECONDS = 2 * 60 * 60
# An unknown key id may be that of a new key, so the keys are fetched again. Anybody can send an
# unknown key id, though, so this happens at most once in this time.
UNKNOWN_KEY_PAUSE_SECONDS = 10
FETCH_SECONDS = 5

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
        self, authorizer: JwtAuthorizer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._authorizer = authorizer
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

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
        key = await self._key(token)
        try:
            claims: Mapping[str, object] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._authorizer.issuer,
                options={"verify_aud": False, "require": ["exp"]},
            )
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

    async def _key(self, token: str) -> jwt.PyJWK:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise _refused("the token is malformed") from error
        async with self._fetching:
            age = self._clock() - self._fetched_at
            unknown = key_id not in self._keys
            if age > KEYS_SECONDS or (unknown and age > UNKNOWN_KEY_PAUSE_SECONDS):
                await self._fetch()
        if key_id not in self._keys:
            raise _refused("the token's key is not one of its issuer's")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        try:
            keys = await asyncio.to_thread(_published_keys, self._authorizer.issuer)
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            logger.warning(
                "cannot read the keys of a token's issuer",
                extra={"issuer": self._authorizer.issuer, "reason": repr(error)},
            )
            raise _refused("the issuer's keys cannot be read") from error
        self._keys = keys
        self._fetched_at = self._clock()


def _published_keys(issuer: str) -> dict[str, jwt.PyJWK]:
    """The issuer's keys by key id.

    The issuer's configuration says where they are (OpenID Connect Discovery 1.0 §4).

    Raises:
        OSError, ValueError, KeyError, jwt.PyJWTError: the keys cannot be read.
    """
    configuration = _read(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    keys = jwt.PyJWKSet.from_dict(_read(configuration["jwks_uri"])).keys
    return {key.key_id: key for key in keys if key.key_id}


def _read(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not an HTTP address")
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as response:
        content = json.load(response)
    if not isinstance(content, dict):
        raise ValueError(f"{url} does not return a JSON object")
    return content


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
