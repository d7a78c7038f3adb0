import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import InvalidCursor, TaskNotFound
from shared.models.task import Task
from shared.models.task_status import TaskStatus


@dataclass(frozen=True)
class Cursor:
    """The last task of a page; the next page begins after it."""

    created_at: datetime
    task_id: UUID

    @classmethod
    def of(cls, task: Task) -> "Cursor":
        return cls(task.created_at, task.id)

    def encode(self) -> str:
        text = f"{self.created_at.isoformat()} {self.task_id.hex}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read what `encode` wrote.

        Raises:
            InvalidCursor: it is something else.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            instant, task_id = base64.urlsafe_b64decode(padded).decode("ascii").split(" ")
            created_at = datetime.fromisoformat(instant)
            if created_at.tzinfo is None:
                raise InvalidCursor
            return cls(created_at, UUID(hex=task_id))
        except (ValueError, binascii.Error):
            raise InvalidCursor from None

    def behind(self) -> ColumnElement[bool]:
        same_instant = and_(Task.created_at == self.created_at, Task.id < self.task_id)
        return or_(Task.created_at < self.created_at, same_instant)


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
        active = (TaskStatus.QUEUED, TaskStatus.PROCESSING)
        found = await self.session.scalars(
            select(Task.id).where(Task.user_id == self.owner_id, Task.status.in_(active))
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
