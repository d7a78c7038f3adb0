"""What the tokens of a user pool say.

https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from lampwork.cloud.moto_seam import cognito
from lampwork.cloud.moto_seam.cognito import Client, Pool, User

Claims = dict[str, Any]
Adjust = Callable[[Pool, Client, User, str, Claims], Claims]
"""Gives the claims of a token their last form. The text is the token's use, "id" or "access"."""

TRUTHS: Final = ("email_verified", "phone_number_verified")
SECONDS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
VALIDITY: Final = {"id": "IdToken", "access": "AccessToken"}


def install(adjust: Adjust) -> None:
    """From now on, moto's pools issue tokens with the claims that Cognito's have."""

    def create(
        pool: Pool, client_id: str, user: User, use: str, extra: Mapping[str, Any]
    ) -> tuple[str, int]:
        client = pool.clients[client_id]
        seconds = _seconds(client, use)
        claims = _claims(pool, client, user, use, seconds) | _shared(user, extra)
        return cognito.signed(pool, adjust(pool, client, user, use, claims)), seconds

    cognito.make_tokens(create)


def _claims(pool: Pool, client: Client, user: User, use: str, seconds: int) -> Claims:
    now = int(time.time())
    claims: Claims = {
        "sub": user.id,
        "iss": f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}",
        "event_id": str(uuid.uuid4()),
        "token_use": use,
        "auth_time": now,
        "exp": now + seconds,
        "iat": now,
        "jti": str(uuid.uuid4()),
    }
    if use == "access":
        return claims | {
            "client_id": client.id,
            "username": user.username,
            "scope": "aws.cognito.signin.user.admin",
        }
    readable = client.extended_config.get("ReadAttributes")
    shown = {
        name: value == "true" if name in TRUTHS else value
        for name, value in user.attribute_lookup.items()
        if name != "sub" and (not readable or name in readable)
    }
    return claims | shown | {"aud": client.id, "cognito:username": user.username}


def _shared(user: User, extra: Mapping[str, Any]) -> Claims:
    claims: Claims = {"origin_jti": extra["origin_jti"]} if "origin_jti" in extra else {}
    if user.groups:
        ordered = sorted(user.groups, key=_precedence)
        claims["cognito:groups"] = [group.group_name for group in ordered]
    return claims


def _precedence(group: Any) -> tuple[float, str]:
    given = group.precedence
    return (float("inf") if given is None else given, group.group_name)


def _seconds(client: Client, use: str) -> int:
    """How long a token is valid: an hour, unless the client's settings say otherwise."""
    settings = client.extended_config
    given = settings.get(f"{VALIDITY[use]}Validity")
    unit = settings.get("TokenValidityUnits", {}).get(VALIDITY[use], "hours")
    return int(given) * SECONDS[unit] if given else 3600
