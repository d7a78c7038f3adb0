import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import InvalidCursor, TaskNotFound
from shared.models.task import Task
from shared.models.task_status import UNFINISHED, TaskStatus

CHECK_BYTES = 6


@dataclass(frozen=True)
class Cursor:
    """The last task of a page; the next page begins after it."""

    created_at: datetime
    task_id: UUID

    @classmethod
    def of(cls, task: Task) -> "Cursor":
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

    def behind(self) -> ColumnElement[bool]:
        # The first condition lets the database enter its index here; with the second alone it would
        # read all pages before this one.
        return and_(
            Task.created_at <= self.created_at,
            or_(Task.created_at < self.created_at, Task.id < self.task_id),
        )


def _check(content: bytes) -> bytes:
    """Shows that a cursor is whole. It is no secret: a cursor opens nothing, since every query is
    limited to the owner's tasks."""
    return hashlib.sha256(content).digest()[:CHECK_BYTES]


@dataclass(frozen=True)
class Page:
    tasks: Sequence[Task]
    next_cursor: Cursor | None


class TaskRepository:
    """Every query on tasks, scoped to one owner so that none can forget the filter."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self.session = session
        self.owner_id = owner_id

    async def get(self, task_id: UUID) -> Task | None:
        return await self.session.scalar(self._owned().where(Task.id == task_id))

    async def one(self, task_id: UUID) -> Task:
        """The task.

        Raises:
            TaskNotFound: it is missing or somebody else's; nobody learns which.
        """
        task = await self.get(task_id)
        if task is None:
            raise TaskNotFound
        return task

    async def page(self, *, status: TaskStatus | None, after: Cursor | None, limit: int) -> Page:
        """The newest tasks first, at most `limit` of them."""
        query = self._owned().order_by(Task.created_at.desc(), Task.id.desc()).limit(limit + 1)
        if status is not None:
            query = query.where(Task.status == status)
        if after is not None:
            query = query.where(after.behind())
        found = (await self.session.scalars(query)).all()
        tasks = found[:limit]
        return Page(tasks, Cursor.of(tasks[-1]) if len(found) > limit else None)

    async def unfinished(self) -> Sequence[UUID]:
        """The tasks that have not ended."""
        found = await self.session.scalars(
            select(Task.id).where(Task.user_id == self.owner_id, Task.status.in_(UNFINISHED))
        )
        return found.all()

    async def delete(self, task_id: UUID) -> None:
        """Delete the task, if it exists; the database deletes what refers to it."""
        await self.session.execute(
            delete(Task)
            .where(Task.id == task_id, Task.user_id == self.owner_id)
            .execution_options(synchronize_session=False)
        )

    def _owned(self) -> Select[Task]:
        return select(Task).where(Task.user_id == self.owner_id)
