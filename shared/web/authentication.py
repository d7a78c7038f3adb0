from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from shared.errors import InvalidToken, Unauthenticated
from shared.models.api_key_scope import Scope
from shared.repositories.sign_ins import NOTHING, Wanted
from shared.security import client_address, cookies, credentials, origins
from shared.security.api_keys import PresentedKey
from shared.security.authority import Authority
from shared.security.cookies import TokenCookie
from shared.security.credentials import Credential, Source
from shared.services import api_keys, sessions
from shared.services.sessions import Client


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request acts for. It has no session if a program acts with an API key, or if a
    trusted gateway named the user. `authority` is that of a socket it may open."""

    user_id: UUID
    session_id: UUID | None
    authority: Authority


async def authenticated(request: Request) -> Principal:
    """The user of a request whose session is alive in the database at this moment.

    Raises:
        Unauthenticated: there is no credential.
        InvalidToken: there is one, and it is not valid.
        InsufficientScope: it is an API key, which does not permit this.
        CsrfRejected: a foreign page sent a request that changes something, with only a cookie.
        Unavailable: the database is away.
    """
    return (await _read(request, NOTHING, {}, None)).user


UserDep = Annotated[Principal, Depends(authenticated)]


class Permitting:
    """A route's dependency: as `authenticated`, and API keys with this scope may pass too."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Principal:
        return (await _read(request, NOTHING, {}, self.scope)).user


ReaderDep = Annotated[Principal, Depends(Permitting(Scope.TASKS_READ))]
WriterDep = Annotated[Principal, Depends(Permitting(Scope.TASKS_WRITE))]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's user, and the columns that were read along with their sign-in."""

    user: Principal
    columns: tuple[Any, ...]


class Asking:
    """A route's dependency: as `authenticated`, with what the route reads of its user in the same
    statement. `parameters` says what of the request that statement needs, and `scope` which API
    keys may pass."""

    def __init__(
        self,
        wanted: Wanted,
        scope: Scope,
        parameters: Callable[[Request], Mapping[str, Any]] = lambda _request: {},
    ) -> None:
        self.scope = scope
        self._wanted = wanted
        self._parameters = parameters

    async def __call__(self, request: Request) -> Asked:
        return await _read(request, self._wanted, self._parameters(request), self.scope)


async def _read(
    request: Request, wanted: Wanted, parameters: Mapping[str, Any], scope: Scope | None
) -> Asked:
    """`scope` is what an API key needs; None where none may pass."""
    credential = _presented(request)
    if isinstance(credential, PresentedKey):
        return await _read_with_key(credential, wanted, parameters, scope)
    claims = credential.claims
    if claims is None:
        named = await wanted.of_user(credential.user_id, parameters)
        if named is None or not sessions.is_in_use(named[0]):
            raise InvalidToken
        authority = Authority.of(credential.user_id, None)
        return Asked(Principal(credential.user_id, None, authority), named[1])
    found = await wanted.of_session(claims.session_id, parameters)
    if found is None or not sessions.is_accepted(claims, found[0], found[0]):
        raise InvalidToken
    await sessions.confirm(claims, found[0])
    authority = Authority.of(claims.user_id, claims)
    return Asked(Principal(claims.user_id, claims.session_id, authority), found[1])


async def _read_with_key(
    presented: PresentedKey, wanted: Wanted, parameters: Mapping[str, Any], scope: Scope | None
) -> Asked:
    found = await wanted.of_key(presented.fingerprint, parameters)
    if found is None:
        raise InvalidToken
    key = found[0]
    await api_keys.check(key, scope)
    authority = Authority.of_key(key.id, key.user_id, key.auth_epoch, key.expires_at)
    return Asked(Principal(key.user_id, None, authority), found[1])


def _presented(request: Request) -> Credential | PresentedKey:
    """The credential of a request, if it may be used there."""
    headers = request_headers(request)
    credential = credentials.find(headers, peer=_peer(request))
    if credential is None:
        raise Unauthenticated
    by_cookie = isinstance(credential, Credential) and credential.source is Source.COOKIE
    if by_cookie and not _changes_nothing(request):
        origins.check_page(headers)
    return credential


async def _own_page(request: Request) -> None:
    origins.check_page(request_headers(request))


# For routes that set or delete cookies without authentication: a foreign page must not sign its
# visitor in as somebody else.
OwnPageOnly = Depends(_own_page)


def request_client(request: Request) -> Client:
    """Where a request comes from. Headers of untrusted senders do not count."""
    headers = request_headers(request)
    return Client(
        ip=client_address.resolve(headers, peer=_peer(request)),
        user_agent=headers.get("user-agent", "")[:255] or None,
    )


async def _client(request: Request) -> Client:  # FastAPI runs what is not `async` in a thread
    return request_client(request)


ClientDep = Annotated[Client, Depends(_client)]


async def _device_tokens(request: Request) -> list[str]:
    return cookies.values(request_headers(request).get("cookie", ""), TokenCookie.DEVICE)


# What may show that the request's device has signed in to an account before.
DeviceTokensDep = Annotated[list[str], Depends(_device_tokens)]


def request_headers(request: Request) -> Mapping[str, str]:
    """The headers with names in lower case and repeated ones joined, as gateways join them."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        separator = "; " if name == "cookie" else ","
        joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def _peer(request: Request) -> str | None:
    return request.client.host if request.client else None


def _changes_nothing(request: Request) -> bool:
    """A gateway that authorizes a request here names that request's method in X-Original-Method.
    Anybody may send it: it can only make the check stricter."""
    methods = {request.method, request.headers.get("x-original-method", request.method)}
    return methods <= origins.SAFE_METHODS
