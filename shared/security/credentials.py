import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from shared import settings
from shared.errors import AmbiguousCredentials, InvalidToken
from shared.security import access_tokens, api_keys, client_address, cookies
from shared.security.access_tokens import AccessClaims
from shared.security.api_keys import PresentedKey
from shared.security.cookies import TokenCookie
from shared.settings import TrustUserIdHeader

SUBPROTOCOL_PREFIX = "bearer."
FORWARDING_HEADERS = ("forwarded", "via", "x-real-ip")


class Source(Enum):
    BEARER = auto()
    SUBPROTOCOL = auto()
    COOKIE = auto()
    TRUSTED_HEADER = auto()


@dataclass(frozen=True, slots=True)
class Credential:
    """Whom a request comes from, and what shows it. It is authentic, but may no longer be valid:
    the session may have ended, or the account may be deleted.

    `claims` is None if a trusted gateway named the user, without a token.
    """

    source: Source
    user_id: UUID
    claims: AccessClaims | None

    @property
    def session_id(self) -> UUID | None:
        return self.claims.session_id if self.claims else None


def find(
    headers: Mapping[str, str], *, peer: str | None, socket: bool = False
) -> Credential | PresentedKey | None:
    """The credential of a request: an API key, or one that names the user by itself. It comes from
    Authorization if that is there, else (for a `socket`) from the subprotocol `bearer.<token>`,
    else from the cookie, where no key may be, else from a trusted X-User-Id.

    `headers` has names in lower case and the values of a repeated header joined by commas;
    `peer` is the address the request came from, as the gateway saw it.

    Raises:
        AmbiguousCredentials: two tokens where one is expected.
        AmbiguousCookies: the access cookie is there twice.
        InvalidToken: the first credential is not valid; the others are not tried.
    """
    named_user = _named_user(headers, peer)
    found = _token(headers, socket=socket)
    if found is None:
        return Credential(Source.TRUSTED_HEADER, named_user, None) if named_user else None
    source, token = found
    if source is not Source.COOKIE and api_keys.is_one(token):
        if named_user is not None:  # a gateway that lets keys pass would give them all power
            raise InvalidToken
        return api_keys.present(token)
    claims = access_tokens.read(token)
    if named_user not in (None, claims.user_id):
        raise InvalidToken
    return Credential(source, claims.user_id, claims)


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of the Authorization header; None without the header."""
    header = headers.get("authorization")
    if header is None:
        return None
    if "," in header:
        raise AmbiguousCredentials
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken
    return token.strip(" ")


def _token(headers: Mapping[str, str], *, socket: bool) -> tuple[Source, str] | None:
    subprotocol = _subprotocol_token(headers) if socket else None
    if (bearer := bearer_token(headers)) is not None:
        if subprotocol is not None:
            raise AmbiguousCredentials
        return Source.BEARER, bearer
    if subprotocol is not None:
        return Source.SUBPROTOCOL, subprotocol
    cookie = cookies.value(headers.get("cookie", ""), TokenCookie.ACCESS)
    return (Source.COOKIE, cookie) if cookie is not None else None


def _subprotocol_token(headers: Mapping[str, str]) -> str | None:
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    tokens = [name for name in offered if name.startswith(SUBPROTOCOL_PREFIX)]
    if len(tokens) > 1:
        raise AmbiguousCredentials
    return tokens[0].removeprefix(SUBPROTOCOL_PREFIX) if tokens else None


def _named_user(headers: Mapping[str, str], peer: str | None) -> UUID | None:
    """The user of X-User-Id, if this deployment trusts the sender."""
    text = headers.get("x-user-id")
    if text is None or not _is_trusted(headers, peer):
        return None
    try:
        user_id = UUID(text)
    except ValueError:
        raise InvalidToken from None
    if str(user_id) != text.lower():
        raise InvalidToken
    return user_id


def _is_trusted(headers: Mapping[str, str], peer: str | None) -> bool:
    trust = settings.gateway().trust_user_id_header
    if trust is TrustUserIdHeader.GATEWAY:
        _check_gateway(headers)
        return True
    return trust is TrustUserIdHeader.LOCAL and _is_local_process(headers, peer)


def _check_gateway(headers: Mapping[str, str]) -> None:
    secret = settings.gateway().secret
    presented = headers.get("x-gateway-auth", "").encode()
    if secret is None or not hmac.compare_digest(presented, secret.get_secret_value().encode()):
        raise InvalidToken("The gateway's own credential is missing or wrong.")


def _is_local_process(headers: Mapping[str, str], peer: str | None) -> bool:
    """Whether a process of this machine sent the request itself, not a proxy for somebody else and
    not a browser for a page of another site.

    A gateway always writes X-Forwarded-For; without a proxy it holds only the peer's address.
    """
    if peer is None or any(name in headers for name in FORWARDING_HEADERS):
        return False
    if not client_address.is_loopback_host(headers.get("host")):
        return False
    return client_address.is_loopback(peer) and headers.get("x-forwarded-for", peer).strip() == peer
