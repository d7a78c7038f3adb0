import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from shared import settings
from shared.process.scheme_registry import SchemeRegistry
from shared.singletons import singleton

IDS_PER_QUERY = 500


class Database(Protocol):
    """Runs one reading statement with `$1`, `$2`… for its arguments, on either database.

    Connects at the first statement and again when the connection has died.
    """

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Sequence[Any]]:
        """Every row. Raises Unavailable when the database is away."""

    async def close(self) -> None: ...


# Each is called with the URL.
DATABASES = SchemeRegistry[Database](
    "DATABASE_URL",
    "database",
    {
        "sqlite": "shared.stream.readers.sqlite:SqliteDatabase",
        "postgresql": "shared.stream.readers.postgresql:PostgresqlDatabase",
    },
)


@dataclass(frozen=True, slots=True)
class Event:
    """The task's state at one sequence; `payload` is what task_payload made of it."""

    sequence: int
    payload: dict[str, Any]

    @property
    def terminal(self) -> bool:
        return bool(self.payload["terminal"])


@dataclass(frozen=True, slots=True)
class TaskHead:
    """A task's owner and its newest sequence."""

    user_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class SessionState:
    """What decides whether an access token is valid, apart from its own text."""

    user_id: UUID
    live: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class KeyState:
    """An API key whose account is in use."""

    id: UUID
    user_id: UUID
    epoch: int
    scopes: frozenset[str]
    expires_at: datetime | None


class Reader:
    """The reads of the live stream in plain SQL: its functions load no ORM.

    Every method raises Unavailable when the database is away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def task(self, task_id: UUID) -> TaskHead | None:
        sql = "SELECT user_id, sequence FROM tasks WHERE id = $1"
        rows = await self._database.fetch(sql, task_id)
        return TaskHead(_uuid(rows[0][0]), rows[0][1]) if rows else None

    async def newest(self, task_ids: Iterable[UUID]) -> dict[UUID, Event]:
        """The newest event of each task; a task that does not exist is left out."""
        rows = await self._fetch_in(
            "SELECT e.task_id, e.sequence, e.payload FROM tasks t JOIN task_events e"
            " ON e.task_id = t.id AND e.sequence = t.sequence WHERE t.id IN ({ids})",
            task_ids,
        )
        return {_uuid(task_id): _event(*event) for task_id, *event in rows}

    async def latest(self, task_id: UUID) -> Event | None:
        return (await self.newest([task_id])).get(task_id)

    async def events_after(self, task_id: UUID, sequence: int, limit: int) -> Sequence[Event]:
        """The first `limit` events with a greater sequence, in order."""
        rows = await self._database.fetch(
            "SELECT sequence, payload FROM task_events WHERE task_id = $1 AND sequence > $2"
            " ORDER BY sequence LIMIT $3",
            *(task_id, sequence, limit),
        )
        return [_event(*row) for row in rows]

    async def sessions(self, session_ids: Iterable[UUID]) -> dict[UUID, SessionState]:
        """The state of each session, or API key; one that does not exist is left out."""
        rows = await self._fetch_in(
            "SELECT s.id, u.id, s.revoked_at IS NULL AND u.status = 'active'"
            " AND u.deleted_at IS NULL, u.auth_epoch"
            " FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE s.id IN ({ids})"
            " UNION ALL SELECT k.id, u.id, u.status = 'active' AND u.deleted_at IS NULL,"
            " u.auth_epoch FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id IN ({ids})",
            session_ids,
        )
        return {
            _uuid(session_id): SessionState(_uuid(user_id), bool(live), epoch)
            for session_id, user_id, live, epoch in rows
        }

    async def session(self, session_id: UUID) -> SessionState | None:
        return (await self.sessions([session_id])).get(session_id)

    async def key(self, fingerprint: bytes) -> KeyState | None:
        """The API key, whether or not it has expired."""
        rows = await self._database.fetch(
            "SELECT k.id, k.user_id, u.auth_epoch, k.scopes, k.expires_at"
            " FROM api_keys k JOIN users u ON u.id = k.user_id"
            " WHERE k.token_hash = $1 AND u.status = 'active' AND u.deleted_at IS NULL",
            fingerprint,
        )
        if not rows:
            return None
        key_id, user_id, epoch, scopes, expires_at = rows[0]
        granted = frozenset(scopes.split(" "))
        return KeyState(_uuid(key_id), _uuid(user_id), epoch, granted, _instant(expires_at))

    async def live_users(self, user_ids: Iterable[UUID]) -> set[UUID]:
        """Those whose account exists, is active and was not deleted."""
        rows = await self._fetch_in(
            "SELECT id FROM users WHERE status = 'active' AND deleted_at IS NULL AND id IN ({ids})",
            user_ids,
        )
        return {_uuid(user_id) for (user_id,) in rows}

    async def close(self) -> None:
        await self._database.close()

    async def _fetch_in(self, sql: str, ids: Iterable[UUID]) -> list[Sequence[Any]]:
        every = list(ids)
        rows: list[Sequence[Any]] = []
        for start in range(0, len(every), IDS_PER_QUERY):
            some = every[start : start + IDS_PER_QUERY]
            places = ", ".join(f"${number}" for number in range(1, len(some) + 1))
            rows += await self._database.fetch(sql.format(ids=places), *some)
        return rows


@singleton
def reader() -> Reader:
    """The process's reader, as the scheme of DATABASE_URL chooses it.

    Raises:
        SettingsError: no database has this scheme.
    """
    url = settings.database().url.get_secret_value()
    dialect = urlsplit(url).scheme.partition("+")[0]  # what follows is SQLAlchemy's driver
    return Reader(DATABASES.factory(dialect)(url))


def _uuid(value: object) -> UUID:
    return UUID(str(value))  # SQLite keeps 32 hexadecimal digits, asyncpg has a type of its own


def _instant(value: str | datetime | None) -> datetime | None:
    """SQLite keeps a text without a zone, of an instant in UTC."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _event(sequence: int, payload: str) -> Event:
    return Event(sequence, json.loads(payload))
