import asyncio
import json
import logging
import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.error import HTTPError

import jwt

logger = logging.getLogger(__name__)

ALGORITHMS: Final = ["RS256", "RS384", "RS512"]
KEYS_SECONDS: Final = 2 * 60 * 60
# An unknown key id may be that of a new key, so the keys are fetched again. Anybody can send an
# unknown key id, though, so this happens at most once in this time.
UNKNOWN_KEY_PAUSE_SECONDS: Final = 10
FETCH_SECONDS: Final = 5
USER_POOL: Final = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/([\w-]+)/?")

Places = Callable[[str], Sequence[str]]
"""The addresses at which an issuer's documents may be, by the issuer's name; the first that has
them counts."""


class KeysUnknown(Exception):
    """A token cannot be verified; the message says why."""


def published_by_itself(issuer: str) -> Sequence[str]:
    return (issuer,)


def places_with(aws: tuple[str, int] | None) -> Places:
    """The embedded AWS at this address knows the user pools that are kept here; other issuers, and
    pools of a real account, publish their keys themselves."""

    def places(issuer: str) -> Sequence[str]:
        pool = USER_POOL.fullmatch(issuer)
        if pool is None or aws is None:
            return (issuer,)
        return ("http://{}:{}/{}".format(*aws, pool[1]), issuer)

    return places


class IssuerKeys:
    """The keys that an issuer of tokens publishes, kept for two hours."""

    def __init__(
        self,
        issuer: str,
        places: Places = published_by_itself,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._places = places
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def of(self, token: str) -> jwt.PyJWK:
        """The key with which a token says it is signed.

        Raises:
            KeysUnknown: the token is malformed, its key is not one of the issuer's, or the keys
                cannot be read.
        """
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise KeysUnknown("the token is malformed") from error
        async with self._fetching:
            age = self._clock() - self._fetched_at
            unknown = key_id not in self._keys
            if age > KEYS_SECONDS or (unknown and age > UNKNOWN_KEY_PAUSE_SECONDS):
                await self._fetch()
        if key_id not in self._keys:
            raise KeysUnknown("the token's key is not one of its issuer's")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        try:
            keys = await asyncio.to_thread(_published_keys, self._places(self._issuer))
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            logger.warning(
                "cannot read the keys of a token's issuer",
                extra={"issuer": self._issuer, "reason": repr(error)},
            )
            raise KeysUnknown("the issuer's keys cannot be read") from error
        self._keys = keys
        self._fetched_at = self._clock()


def _published_keys(places: Sequence[str]) -> dict[str, jwt.PyJWK]:
    """The keys by key id, from the first place that has them.

    The issuer's configuration says where they are (OpenID Connect Discovery 1.0 §4).

    Raises:
        OSError, ValueError, KeyError, jwt.PyJWTError: the keys cannot be read.
    """
    *others, last = places
    for place in others:
        try:
            return _keys_at(place)
        except HTTPError as error:
            if error.code != 404:
                raise
    return _keys_at(last)


def _keys_at(place: str) -> dict[str, jwt.PyJWK]:
    configuration = _read(f"{place.rstrip('/')}/.well-known/openid-configuration")
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
