import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError

from shared import clock, settings
from shared.errors import (
    BadRequest,
    InsufficientScope,
    InvalidToken,
    TaskNotFound,
    TooManySockets,
    Unauthenticated,
    Unavailable,
)
from shared.models.api_key_scope import Scope
from shared.queues.doorbells import Queue, QueueUnavailable
from shared.queues.registry import queue
from shared.security import credentials, origins
from shared.security.api_keys import PresentedKey
from shared.security.authority import Authority
from shared.security.credentials import Source
from shared.singletons import singleton
from shared.stream.connections import Connection, Connections, Cursor, connections
from shared.stream.reader import Reader, reader
from shared.stream.tickets import Tickets, tickets
from shared.strict_json import MAX_EXACT_INTEGER

# So that the tick at a token's expiry comes after it, however the clocks round.
EXPIRY_MARGIN_SECONDS = 0.1
CROWDED_SECONDS = 15
UUID_PATTERN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Handshake:
    """A socket about to open. `headers` has names in lower case; `peer` is the caller's address.

    `native` is one that this process itself will hold. Where it is no `websocket`, it is an event
    stream: a plain request, which may come from a page of ours without an Origin.
    """

    connection_id: str
    connected_at_ms: int
    headers: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    peer: str | None
    native: bool = False
    websocket: bool = True


class Admission:
    """Decides who may watch a task, and registers the sockets of those who may."""

    def __init__(
        self, *, connections: Connections, reader: Reader, doorbells: Queue, tickets: Tickets
    ) -> None:
        self._connections = connections
        self._reader = reader
        self._doorbells = doorbells
        self._tickets = tickets

    async def begin(self, handshake: Handshake) -> None:
        """Register the socket and wake the deliverer, which sends the first frame once it is open.

        Raises:
            As `admit`.
        """
        connection, cursor = await self.admit(handshake)
        try:
            await self._register(connection, cursor)
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def admit(self, handshake: Handshake) -> tuple[Connection, Cursor]:
        """Count the socket as one of its user's, and say where its first frame begins.

        Raises:
            BadRequest: `task_id` is not one UUID, or `after` not one sequence.
            Unauthenticated: no valid credential, or a page of a foreign origin.
            InsufficientScope: the API key does not permit reading tasks.
            CsrfRejected: a page of a foreign origin asks for an event stream, with a cookie.
            InvalidTicket: `ticket` is not valid here, whatever else was sent.
            TaskNotFound: there is no such task, or it is somebody else's.
            TooManySockets: the user has reached the limit.
            Unavailable: a service is away; nothing is registered.
        """
        task_id, after = _task_id(handshake.query), _after(handshake.query)
        configured = settings.websocket()
        limits = {"per_user": configured.sockets_per_user, "per_task": configured.sockets_per_task}
        try:
            authority = await self._authenticate(handshake, task_id)
            task = await self._reader.task(task_id)
            if task is None or task.user_id != authority.user_id:
                raise TaskNotFound
            connection = _connection(handshake, task_id, authority)
            if not await self._connections.admit(connection, **limits):
                raise TooManySockets(retry_after_seconds=CROWDED_SECONDS)
        except (RedisError, OSError) as error:
            raise Unavailable from error
        return connection, Cursor(after=after, first=task.sequence)

    async def _authenticate(self, handshake: Handshake, task_id: UUID) -> Authority:
        ticket = _only(handshake.query, "ticket")
        if ticket is None:
            shown = _shown(handshake)
            authority = await self._of_key(shown) if isinstance(shown, PresentedKey) else shown
        else:
            _check_origin(handshake.headers)
            authority = await self._tickets.redeem(ticket, task_id)
        if not await self._still_counts(authority):
            raise InvalidToken
        return authority

    async def _of_key(self, presented: PresentedKey) -> Authority:
        key = await self._reader.key(presented.fingerprint)
        if key is None or (key.expires_at is not None and key.expires_at <= clock.now()):
            raise InvalidToken
        if Scope.TASKS_READ not in key.scopes:
            raise InsufficientScope(Scope.TASKS_READ)
        return Authority.of_key(key.id, key.user_id, key.epoch, key.expires_at)

    async def _still_counts(self, authority: Authority) -> bool:
        if authority.session_id is None:
            return bool(await self._reader.live_users([authority.user_id]))
        session = await self._reader.session(authority.session_id)
        return (
            session is not None
            and session.live
            and session.user_id == authority.user_id
            and session.epoch == authority.epoch
        )

    async def _register(self, connection: Connection, cursor: Cursor) -> None:
        await self._connections.register(connection, cursor)
        try:
            await self._ring(connection)
        except QueueUnavailable as error:
            await self._connections.deregister(connection.id, connection.task_id)
            raise Unavailable from error

    async def _ring(self, connection: Connection) -> None:
        """Ring for the first frame now, and for the end of the socket when its token expires."""
        await self._doorbells.ring_deliver(connection.task_id)
        if connection.expires_at is not None:
            left = connection.expires_at - time.time() + EXPIRY_MARGIN_SECONDS
            await self._doorbells.send_tick(left, user_id=connection.user_id)


@singleton
def admission() -> Admission:
    return Admission(
        connections=connections(), reader=reader(), doorbells=queue(), tickets=tickets()
    )


def _task_id(query: Mapping[str, Sequence[str]]) -> UUID:
    text = _only(query, "task_id") or ""
    if not re.fullmatch(UUID_PATTERN, text, re.IGNORECASE | re.ASCII):
        raise BadRequest("task_id must be a UUID.")
    return UUID(text)


def _after(query: Mapping[str, Sequence[str]]) -> int | None:
    text = _only(query, "after")
    if text is None:
        return None
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text) or int(text) > MAX_EXACT_INTEGER:
        raise BadRequest("after must be the sequence of the last frame seen.")
    return int(text)


def _only(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    given = query.get(name, ())
    if len(given) > 1:
        raise BadRequest(f"{name} was given more than once.")
    return given[0] if given else None


def _shown(handshake: Handshake) -> Authority | PresentedKey:
    """The authority that the credential in the headers gives, or the key that may give one."""
    websocket = handshake.websocket
    credential = credentials.find(handshake.headers, peer=handshake.peer, socket=websocket)
    if credential is None:
        raise Unauthenticated
    if isinstance(credential, PresentedKey):
        _check_origin(handshake.headers)
        return credential
    if websocket or credential.source is not Source.COOKIE:
        _check_origin(handshake.headers, needed=credential.source is Source.COOKIE)
    else:
        origins.check_page(handshake.headers)
    return Authority.of(credential.user_id, credential.claims)


def _check_origin(headers: Mapping[str, str], *, needed: bool = False) -> None:
    """A browser sends cookies for any page, so then the page must be one of ours."""
    origin = headers.get("origin")
    if origin is None and not needed:
        return  # no browser
    if not origins.is_allowed(origin):
        raise Unauthenticated("A page of this origin may not connect.")


def _connection(handshake: Handshake, task_id: UUID, authority: Authority) -> Connection:
    return Connection(
        id=handshake.connection_id,
        task_id=task_id,
        user_id=authority.user_id,
        connected_at_ms=handshake.connected_at_ms,
        session_id=authority.session_id,
        epoch=authority.epoch,
        expires_at=authority.expires_at,
        native=handshake.native,
    )
