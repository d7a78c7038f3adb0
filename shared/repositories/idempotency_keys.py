from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Insert, Uuid, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import execute
from shared.models.base import database_now, table_of
from shared.models.task import IdempotencyKey


class FirstAnswer(NamedTuple):
    """What the first request of a key was, and the body of its answer."""

    fingerprint: bytes
    body: dict[str, Any]


# What every new task with a key asks: built once.
_keys = table_of(IdempotencyKey)
# A column that refers to another table has no type of its own until that table is known too.
_NAMED = (_keys.c.user_id == bindparam("the_user", type_=Uuid), _keys.c.key == bindparam("the_key"))
_FOUND = select(
    _keys.c.fingerprint, _keys.c.body, (_keys.c.expires_at > database_now()).label("live")
).where(*_NAMED)
_FORGOTTEN = delete(_keys).where(*_NAMED)


@cache
def _new(ttl_seconds: float) -> Insert:
    return insert(_keys).values(expires_at=database_now(ttl_seconds))


class IdempotencyKeyRepository:
    """The idempotency keys of one user, each with the answer to its first request."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self.session = session
        self.owner_id = owner_id

    async def get(self, key: str) -> FirstAnswer | None:
        """The key's first answer. One that has expired is forgotten."""
        row = (await execute(self.session, _FOUND, self._named(key))).one_or_none()
        if row is None:
            return None
        if not row.live:
            await execute(self.session, _FORGOTTEN, self._named(key))
            return None
        return FirstAnswer(row.fingerprint, row.body)

    async def add(
        self,
        key: str,
        *,
        fingerprint: bytes,
        task_id: UUID,
        status_code: int,
        body: dict[str, Any],
        ttl_seconds: float,
    ) -> None:
        """Store the answer to a key for which `get` has found none."""
        row = {
            "user_id": self.owner_id,
            "key": key,
            "fingerprint": fingerprint,
            "task_id": task_id,
            "status_code": status_code,
            "body": body,
        }
        await execute(self.session, _new(ttl_seconds), row)

    def _named(self, key: str) -> dict[str, Any]:
        return {"the_user": self.owner_id, "the_key": key}
