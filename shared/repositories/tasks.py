import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, and_, bindparam, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import rows
from shared.errors import InvalidCursor, TaskNotFound
from shared.models.base import UtcDateTime
from shared.models.task import Task, TaskState
from shared.models.task_status import UNFINISHED, TaskStatus
from shared.models.user import User
from shared.repositories.sign_ins import Wanted

CHECK_BYTES = 6


@dataclass(frozen=True)
class Cursor:
    """The last task of a page; the next page begins after it."""

    created_at: datetime
    task_id: UUID

    @classmethod
    def of(cls, task: Task | TaskState) -> "Cursor":
        return cls(task.created_at, task.id)

    def encode(self) -> str:
        content = f"{self.created_at.isoformat()} {self.task_id.hex}".encode()
        return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read what `encode` wrote.

        Raises:
            InvalidCursor: it is something else, or was changed on its way.
        """
        try:
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            instant, task_id = decoded[CHECK_BYTES:].decode("ascii").split(" ")
            cursor = cls(datetime.fromisoformat(instant), UUID(hex=task_id))
        except ValueError:
            raise InvalidCursor from None
        # In another zone, an instant may lie before the year 1 or after 9999 in UTC.
        if cursor.created_at.tzinfo != UTC or cursor.encode() != text:
            raise InvalidCursor
        return cursor


def _check(content: bytes) -> bytes:
    """Shows that a cursor is whole. It is no secret: a cursor opens nothing, since every query is
    limited to the owner's tasks."""
    return hashlib.sha256(content).digest()[:CHECK_BYTES]


@dataclass(frozen=True)
class Page:
    tasks: Sequence[TaskState]
    next_cursor: Cursor | None


_COLUMNS = [getattr(Task, name) for name in TaskState._fields]
_ONE = select(*_COLUMNS).where(
    Task.id == bindparam("task_id"), Task.user_id == bindparam("owner_id")
)
# Read with the sign-in of whoever asks for the task `task_id`.
OWN_TASK = Wanted(
    *_COLUMNS,
    joined=lambda query: query.outerjoin(
        Task, and_(Task.id == bindparam("task_id"), Task.user_id == User.id)
    ),
)


class OwnTasks:
    """What a user reads of their tasks, each time in one statement of its own; no question can
    forget whose they are."""

    def __init__(self, owner_id: UUID) -> None:
        self._owner_id = owner_id

    async def one(self, task_id: UUID) -> TaskState:
        """The task.

        Raises:
            TaskNotFound: it is missing or somebody else's; nobody learns which.
        """
        found = await rows(_ONE, {"task_id": task_id, "owner_id": self._owner_id})
        if not found:
            raise TaskNotFound
        return TaskState(*found[0])

    async def page(self, *, status: TaskStatus | None, after: Cursor | None, limit: int) -> Page:
        """The newest tasks first, at most `limit` of them."""
        query, asked = page_query(self._owner_id, status=status, after=after, limit=limit)
        found = await rows(query, asked)
        tasks = [TaskState(*row) for row in found[:limit]]
        return Page(tasks, Cursor.of(tasks[-1]) if len(found) > limit else None)


def page_query(
    owner_id: UUID, *, status: TaskStatus | None, after: Cursor | None, limit: int
) -> tuple[Select[*tuple[Any, ...]], dict[str, Any]]:
    """What `OwnTasks.page` asks, with its parameters: one task more shows whether any follows."""
    asked: dict[str, Any] = {"owner_id": owner_id, "most": limit + 1}
    if status is not None:
        asked["status"] = status
    if after is not None:
        asked |= {"after_created_at": after.created_at, "after_id": after.task_id}
    return _page(of_status=status is not None, later=after is not None), asked


@cache
def _page(*, of_status: bool, later: bool) -> Select[*tuple[Any, ...]]:
    query = (
        select(*_COLUMNS)
        .where(Task.user_id == bindparam("owner_id"))
        .order_by(Task.created_at.desc(), Task.id.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if of_status:
        query = query.where(Task.status == bindparam("status"))
    if later:
        # The first condition lets the database enter its index here; with the second alone it would
        # read all pages before this one.
        created_at = bindparam("after_created_at", type_=UtcDateTime)
        query = query.where(
            Task.created_at <= created_at,
            or_(Task.created_at < created_at, Task.id < bindparam("after_id")),
        )
    return query


_DELETED = (
    delete(Task)
    .where(Task.id == bindparam("task_id"), Task.user_id == bindparam("owner_id"))
    .execution_options(synchronize_session=False)
)


class TaskRepository:
    """What is done with the tasks of one user in a transaction."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self.session = session
        self.owner_id = owner_id

    async def one(self, task_id: UUID) -> TaskState:
        """As `OwnTasks.one`, in this transaction."""
        asked = {"task_id": task_id, "owner_id": self.owner_id}
        found = (await self.session.execute(_ONE, asked)).one_or_none()
        if found is None:
            raise TaskNotFound
        return TaskState(*found)

    async def unfinished(self) -> Sequence[UUID]:
        """The tasks that have not ended."""
        found = await self.session.scalars(
            select(Task.id).where(Task.user_id == self.owner_id, Task.status.in_(UNFINISHED))
        )
        return found.all()

    async def delete(self, task_id: UUID) -> None:
        """Delete the task, if it exists; the database deletes what refers to it."""
        await self.session.execute(_DELETED, {"task_id": task_id, "owner_id": self.owner_id})
