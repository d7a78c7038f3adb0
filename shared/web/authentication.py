from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from shared.errors import InvalidToken, Unauthenticated
from shared.repositories.sign_ins import NOTHING, Wanted
from shared.security import client_address, cookies, credentials, origins
from shared.security.access_tokens import AccessClaims
from shared.security.cookies import TokenCookie
from shared.security.credentials import Credential, Source
from shared.services import sessions
from shared.services.sessions import Client


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request acts for. It has no session and claims if a trusted gateway named the user."""

    user_id: UUID
    session_id: UUID | None
    claims: AccessClaims | None = None


async def authenticated(request: Request) -> Principal:
    """The user of a request whose session is alive in the database at this moment.

    Raises:
        Unauthenticated: there is no credential.
        InvalidToken: there is one, and it is not valid.
        CsrfRejected: a foreign page sent a request that changes something, with only a cookie.
        Unavailable: the database is away.
    """
    return (await _read(request, NOTHING, {})).user


UserDep = Annotated[Principal, Depends(authenticated)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's user, and the columns that were read along with their sign-in."""

    user: Principal
    columns: tuple[Any, ...]


class Asking:
    """A route's dependency: as `authenticated`, with what the route reads of its user in the same
    statement. `parameters` says what of the request that statement needs."""

    def __init__(
        self,
        wanted: Wanted,
        parameters: Callable[[Request], Mapping[str, Any]] = lambda _request: {},
    ) -> None:
        self._wanted = wanted
        self._parameters = parameters

    async def __call__(self, request: Request) -> Asked:
        return await _read(request, self._wanted, self._parameters(request))


async def _read(request: Request, wanted: Wanted, parameters: Mapping[str, Any]) -> Asked:
    credential = _presented(request)
    claims = credential.claims
    if claims is None:
        named = await wanted.of_user(credential.user_id, parameters)
        if named is None or not sessions.is_in_use(named[0]):
            raise InvalidToken
        return Asked(Principal(credential.user_id, None), named[1])
    found = await wanted.of_session(claims.session_id, parameters)
    if found is None or not sessions.is_accepted(claims, found[0], found[0]):
        raise InvalidToken
    await sessions.confirm(claims, found[0])
    return Asked(Principal(claims.user_id, claims.session_id, claims), found[1])


def _presented(request: Request) -> Credential:
    """The credential of a request, if it may be used there."""
    headers = request_headers(request)
    credential = credentials.find(headers, peer=_peer(request))
    if credential is None:
        raise Unauthenticated
    if credential.source is Source.COOKIE and not _changes_nothing(request):
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
