"""COGNITO_USER_POOLS authorizers of REST APIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import jwt

from lampwork.events.caller import Caller
from lampwork.front.authorizers.refusals import Denied, Unauthenticated
from lampwork.front.authorizers.tokens.issuer_keys import (
    ALGORITHMS,
    IssuerKeys,
    KeysUnknown,
    Places,
)
from lampwork.stack.authorization import PoolAuthorizer

# The claims that an event holds as dates.
DATES = ("exp", "iat")


class PoolVerifier:
    """Checks tokens of certain user pools.

    A route with scopes takes access tokens with one of them, a route without takes id tokens.
    https://repost.aws/knowledge-center/api-gateway-cognito-401-unauthorized
    """

    def __init__(self, authorizer: PoolAuthorizer, places: Places) -> None:
        self._authorizer = authorizer
        self._keys = {issuer: IssuerKeys(issuer, places) for issuer in authorizer.issuers}

    async def verify(self, value: str, scopes: tuple[str, ...]) -> Caller:
        """The caller whose token this is. `value` is a token, with or without `Bearer ` before it.

        Raises:
            Unauthenticated: the token is not one of these pools' or not valid now, or it is not of
                the kind that the route takes.
            Denied: it has none of the `scopes`.
        """
        claims = await self._claims(value.removeprefix("Bearer ").strip())
        if claims.get("token_use") != ("access" if scopes else "id"):
            raise Unauthenticated
        pattern = self._authorizer.pattern
        if pattern is not None and not re.match(pattern, str(claims.get("aud", ""))):
            raise Unauthenticated
        if scopes and not set(scopes) & set(str(claims.get("scope", "")).split()):
            raise Denied
        return Caller(
            "cognito", {"claims": {name: _text(name, each) for name, each in claims.items()}}
        )

    async def _claims(self, token: str) -> Mapping[str, object]:
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
            if not isinstance(issuer, str) or issuer not in self._keys:
                raise Unauthenticated
            claims: Mapping[str, object] = jwt.decode(
                token,
                await self._keys[issuer].of(token),
                algorithms=ALGORITHMS,
                options={"verify_aud": False, "require": ["exp"]},
            )
        except (KeysUnknown, jwt.InvalidTokenError) as error:
            raise Unauthenticated from error
        return claims


def _text(name: str, claim: object) -> str:
    """A claim as an event holds it: always a string, a time as a date, a list with commas.

    Such claims are in https://github.com/amazon-archives/amazon-cognito-identity-js/issues/92
    """
    if name in DATES and isinstance(claim, int):
        return datetime.fromtimestamp(claim, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    if isinstance(claim, list):
        return ",".join(each if isinstance(each, str) else json.dumps(each) for each in claim)
    return claim if isinstance(claim, str) else json.dumps(claim)
