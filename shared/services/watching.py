import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError

from shared.connections import Connection, Connections, Cursor, connections
from shared.errors import BadRequest, InvalidToken, TaskNotFound, Unauthenticated, Unavailable
from shared.once import once
from shared.queue import Queue, QueueUnavailable, queue
from shared.reader import Reader, reader
from shared.security import credentials, origins
from shared.security.credentials import Credential, Source

MAX_SEQUENCE = 2**63 - 1
UUID_PATTERN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Handshake:
    """A socket about to open. `headers` in lower case; `peer` is the caller's address."""

    connection_id: str
    connected_at_ms: int
    headers: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    peer: str | None


class Watching:
    """Who may watch a task, and since when."""

    def __init__(self, *, connections: Connections, reader: Reader, doorbells: Queue) -> None:
        self._connections = connections
        self._reader = reader
        self._doorbells = doorbells

    async def begin(self, handshake: Handshake) -> None:
        """Register the socket and wake the deliverer, which sends the first frame once it is open.

        Raises:
            BadRequest: `task_id` is not one UUID, or `after` not one sequence.
            Unauthenticated: no credential that counts, or a page of a foreign origin.
            TaskNotFound: there is no such task, or it is somebody else's.
            Unavailable: a service is away; nothing is registered.
        """
        task_id, cursor = _task_id(handshake.query), Cursor(after=_after(handshake.query))
        credential = await self._authenticate(handshake)
        if await self._reader.task_owner(task_id) != credential.user_id:
            raise TaskNotFound
        await self._register(_connection(handshake, task_id, credential), cursor)

    async def _authenticate(self, handshake: Handshake) -> Credential:
        credential = credentials.find(handshake.headers, peer=handshake.peer, socket=True)
        if credential is None:
            raise Unauthenticated
        _check_origin(handshake.headers.get("origin"), credential.source)
        if not await self._still_counts(credential):
            raise InvalidToken
        return credential

    async def _still_counts(self, credential: Credential) -> bool:
        claims = credential.claims
        if claims is None:
            return await self._reader.is_live_user(credential.user_id)
        session = await self._reader.session(claims.session_id)
        return (
            session is not None
            and session.live
            and session.user_id == claims.user_id
            and session.epoch == claims.epoch
        )

    async def _register(self, connection: Connection, cursor: Cursor) -> None:
        try:
            await self._connections.register(connection, cursor)
            await self._doorbells.ring_deliver(connection.task_id)
        except QueueUnavailable as error:
            await self._connections.deregister(connection.id, connection.task_id)
            raise Unavailable from error
        except (RedisError, OSError) as error:
            raise Unavailable from error


@once
def watching() -> Watching:
    return Watching(connections=connections(), reader=reader(), doorbells=queue())


def _task_id(query: Mapping[str, Sequence[str]]) -> UUID:
    text = _only(query, "task_id") or ""
    if not re.fullmatch(UUID_PATTERN, text, re.IGNORECASE | re.ASCII):
        raise BadRequest("task_id must be a UUID.")
    return UUID(text)


def _after(query: Mapping[str, Sequence[str]]) -> int | None:
    text = _only(query, "after")
    if text is None:
        return None
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) > MAX_SEQUENCE:
        raise BadRequest("after must be the sequence of the last frame seen.")
    return int(text)


def _only(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    given = query.get(name, ())
    if len(given) > 1:
        raise BadRequest(f"{name} was given more than once.")
    return given[0] if given else None


def _check_origin(origin: str | None, source: Source) -> None:
    """A browser sends its cookies along for any page, so there the page must be one of ours."""
    if origin is None and source is not Source.COOKIE:
        return  # no browser
    if not origins.is_allowed(origin):
        raise Unauthenticated("A page of this origin may not connect.")


def _connection(handshake: Handshake, task_id: UUID, credential: Credential) -> Connection:
    claims = credential.claims
    return Connection(
        id=handshake.connection_id,
        task_id=task_id,
        user_id=credential.user_id,
        connected_at_ms=handshake.connected_at_ms,
        session_id=claims.session_id if claims else None,
        epoch=claims.epoch if claims else None,
        expires_at=int(claims.expires_at.timestamp()) if claims else None,
    )
