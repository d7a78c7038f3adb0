from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import jwt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared import clock, settings, strict_json
from shared.errors import BadRequest, InvalidToken, Unprocessable
from shared.security import base64url
from shared.security.keys import keys
from shared.singletons import singleton

ALGORITHM = "EdDSA"
TYPE = "at+jwt"  # RFC 9068, section 2.1
LEEWAY_SECONDS = 10
REMEMBERED_TOKENS = 256
MAX_TOKEN_CHARACTERS = 4096
REQUIRED_CLAIMS = [
    *("iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"),
    *("gen", "ep", "auth_time", "amr"),
]


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says.

    `generation` is the refresh generation of its session when it was issued, and `epoch` the
    `auth_epoch` of its account; the token is invalid once the account's epoch differs.
    """

    user_id: UUID
    session_id: UUID
    token_id: UUID
    generation: int
    epoch: int
    authenticated_at: datetime
    methods: tuple[str, ...]
    expires_at: datetime

    @property
    def has_not_expired(self) -> bool:
        return clock.now() < self.expires_at + timedelta(seconds=LEEWAY_SECONDS)


def issue(
    *,
    user_id: UUID,
    session_id: UUID,
    generation: int,
    epoch: int,
    authenticated_at: datetime,
    expires_at: datetime,
) -> str:
    """A signed access token that holds only what it needs: no e-mail address, no role."""
    configured, now, key = settings.auth(), clock.now(), keys().signing.current
    claims = {
        "iss": configured.issuer,
        "aud": configured.audience,
        "sub": str(user_id),
        "sid": str(session_id),
        "jti": str(uuid4()),
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "gen": generation,
        "ep": epoch,
        "auth_time": int(authenticated_at.timestamp()),
        "amr": ["pwd"],
    }
    return jwt.encode(claims, key.private, ALGORITHM, {"kid": key.kid, "typ": TYPE})


def read(token: str, *, even_expired: bool = False) -> AccessClaims:
    """The claims of a token that this deployment signed and that has not expired, unless
    `even_expired`: then ask the claims.

    Raises:
        InvalidToken: anything else.
    """
    claims = _verifier()(token)
    if not even_expired and not claims.has_not_expired:
        raise InvalidToken
    return claims


@singleton
def _verifier() -> Callable[[str], AccessClaims]:
    """Verifies a token once for the many requests that bring it. Only its expiry comes with time,
    and what is forgotten of other tokens costs no more than a verification; a token that is refused
    is not kept."""
    return lru_cache(maxsize=REMEMBERED_TOKENS)(_verified)


def _verified(token: str) -> AccessClaims:
    """The claims of a token that this deployment signed, however old it is."""
    header, payload = _parse(token)
    key = keys().signing.find(header.kid)
    if key is None:
        raise InvalidToken
    try:
        jwt.decode(
            token,
            key.public,
            algorithms=[ALGORITHM],
            issuer=settings.auth().issuer,
            audience=settings.auth().audience,
            leeway=timedelta(seconds=LEEWAY_SECONDS),
            options={"require": REQUIRED_CLAIMS, "strict_aud": True, "verify_exp": False},
        )
    except (jwt.InvalidTokenError, OverflowError):
        raise InvalidToken from None
    return payload.claims()


def _canonical_uuid(value: Any) -> UUID:
    if isinstance(value, str) and len(value) == 36 and str(found := UUID(value)) == value:
        return found
    raise ValueError("This is not a canonical UUID.")


CanonicalUuid = Annotated[UUID, BeforeValidator(_canonical_uuid)]
Instant = Annotated[int, Field(ge=0, lt=2**40)]
Counter = Annotated[int, Field(ge=0, lt=2**31)]


class _Header(BaseModel):
    """Exactly what `issue` writes, so that `jku`, `jwk`, `x5u` and similar members are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")

    alg: Literal["EdDSA"]
    kid: str
    typ: Literal["at+jwt"]


class _Payload(BaseModel):
    """The types that RFC 7519 asks for and PyJWT does not check."""

    model_config = ConfigDict(strict=True, extra="forbid")

    iss: str
    aud: str
    sub: CanonicalUuid
    sid: CanonicalUuid
    jti: CanonicalUuid
    iat: Instant
    nbf: Instant
    exp: Instant
    gen: Counter
    ep: Counter
    auth_time: Instant
    amr: list[str]

    def claims(self) -> AccessClaims:
        return AccessClaims(
            user_id=self.sub,
            session_id=self.sid,
            token_id=self.jti,
            generation=self.gen,
            epoch=self.ep,
            authenticated_at=datetime.fromtimestamp(self.auth_time, UTC),
            methods=tuple(self.amr),
            expires_at=datetime.fromtimestamp(self.exp, UTC),
        )


def _parse(token: str) -> tuple[_Header, _Payload]:
    """The two readable parts, parsed strictly. Nothing in them is verified yet."""
    segments = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(segments) != 3:
        raise InvalidToken
    try:
        header, payload, _signature = (base64url.decode(segment) for segment in segments)
        parsed = _Header.model_validate(_json(header)), _Payload.model_validate(_json(payload))
    except (ValueError, ValidationError, BadRequest, Unprocessable):
        raise InvalidToken from None
    if parsed[1].exp - parsed[1].iat > 2 * settings.auth().access_ttl_seconds:
        raise InvalidToken
    return parsed


def _json(data: bytes) -> Mapping[str, Any]:
    value = strict_json.loads(data)
    if not isinstance(value, dict):
        raise InvalidToken
    return value
