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
# A token with an unknown key id may have been signed with a new key, or be anybody's.
UNKNOWN_KEY_PAUSE_SECONDS = 10
FETCH_SECONDS = 5

# The first is AWS's own text; it publishes no others.
CHALLENGES: dict[type[Exception], str] = {
    jwt.InvalidAudienceError: "the token does not have a valid audience",
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token does not have a valid issuer",
    jwt.InvalidSignatureError: "the token's signature is not valid",
    jwt.InvalidAlgorithmError: "the token's signing method is not supported",
}


class JwtVerifier:
    """Checks the tokens of one issuer against the keys that it publishes."""

    def __init__(
        self, authorizer: JwtAuthorizer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._authorizer = authorizer
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, value: str, scopes: tuple[str, ...]) -> Caller:
        """Who calls. `value` is a token, or one after `Bearer `.

        Raises:
            Unauthenticated: the token is none of this issuer for this audience, now.
            Denied: it has none of the scopes.
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
        """`client_id` stands in for `aud` only where there is none."""
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
    """By OpenID Connect Discovery 1.0 §4: the issuer names where its keys are."""
    configuration = _read(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    keys = jwt.PyJWKSet.from_dict(_read(configuration["jwks_uri"])).keys
    return {key.key_id: key for key in keys if key.key_id}


def _read(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no http address")
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as response:
        content = json.load(response)
    if not isinstance(content, dict):
        raise ValueError(f"{url} gives no JSON object")
    return content


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(_challenge("invalid_token", reason))


def _challenge(error: str, description: str, scopes: tuple[str, ...] = ()) -> str:
    # As the service writes it, without the commas of RFC 6750.
    return f'Bearer scope="{" ".join(scopes)}" error="{error}" error_description="{description}"'


def _scopes(claims: Mapping[str, object]) -> list[str]:
    granted = claims.get("scope", claims.get("scp", ""))
    return [str(each) for each in (granted if isinstance(granted, list) else str(granted).split())]


def _text(claim: object) -> str:
    """Claims are all strings in an event; a list is `[a b]`."""
    if isinstance(claim, list):
        return f"[{' '.join(map(_text, claim))}]"
    if isinstance(claim, str):
        return claim
    return json.dumps(claim)
