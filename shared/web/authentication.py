from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import transaction
from shared.errors import InvalidToken, Unauthenticated
from shared.repositories.sessions import SignIn
from shared.repositories.users import UserRepository
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
    credential = _presented(request)
    async with transaction(writing=False) as session:
        sign_in = await _accepted(session, credential)
    await _confirm(credential, sign_in)
    return _principal(credential)


UserDep = Annotated[Principal, Depends(authenticated)]


@dataclass(frozen=True, slots=True)
class Reading:
    """A transaction that only reads, in which its user was authenticated: what follows is read of
    the same moment."""

    user: Principal
    session: AsyncSession
    _open: AsyncExitStack

    async def end(self) -> None:
        """Give the connection back before the answer is ready, to wait for something else."""
        await self._open.aclose()


async def reading(request: Request) -> AsyncIterator[Reading]:
    """As `authenticated`, and the transaction goes on."""
    credential, sign_in = _presented(request), None

    async def confirm() -> None:
        await _confirm(credential, sign_in)

    async with AsyncExitStack() as open_:
        open_.push_async_callback(confirm)  # last, since it writes, and needs the only connection
        session = await open_.enter_async_context(transaction(writing=False))
        sign_in = await _accepted(session, credential)
        yield Reading(_principal(credential), session, open_)


# The scope ends the transaction before the answer is sent, so a failure becomes an error.
ReadingDep = Annotated[Reading, Depends(reading, scope="function")]


def _presented(request: Request) -> Credential:
    """The credential of a request, if it may be used there."""
    headers = request_headers(request)
    credential = credentials.find(headers, peer=_peer(request))
    if credential is None:
        raise Unauthenticated
    if credential.source is Source.COOKIE and not _changes_nothing(request):
        origins.check_page(headers)
    return credential


def _principal(credential: Credential) -> Principal:
    return Principal(credential.user_id, credential.session_id, credential.claims)


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


ClientDep = Annotated[Client, Depends(request_client)]


def _device_tokens(request: Request) -> list[str]:
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


async def _accepted(session: AsyncSession, credential: Credential) -> SignIn | None:
    """The sign-in of a credential that counts at this moment; None where a gateway named the user.

    Raises:
        InvalidToken: it does not count.
    """
    if credential.claims is not None:
        sign_in = await sessions.accepted(session, credential.claims)
        if sign_in is None:
            raise InvalidToken
        return sign_in
    user = await UserRepository(session).get(credential.user_id)
    if user is None or not sessions.is_in_use(user):
        raise InvalidToken
    return None


async def _confirm(credential: Credential, sign_in: SignIn | None) -> None:
    if credential.claims is not None and sign_in is not None:
        await sessions.confirm(credential.claims, sign_in)
