import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from shared import settings, transitions
from shared.broadcast import broadcaster
from shared.database import transaction
from shared.dispatching import dispatch
from shared.errors import IdempotencyKeyReused, InvalidToken, TaskFinished
from shared.idempotency import fingerprint
from shared.models.base import database_now
from shared.models.task import Task
from shared.repositories.idempotency_keys import IdempotencyKeyRepository
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.tasks import TaskRepository
from shared.schemas.task import MAX_SEED, TaskCreate, TaskRead
from shared.services.sessions import is_in_use
from shared.services.subscriptions import admit_task
from shared.task_status import TaskStatus

ACCEPTED = 202


@dataclass(frozen=True)
class Accepted:
    """The answer to a submitted task: its body, and whether a request before this one got it."""

    body: dict[str, Any]
    replayed: bool


class TaskService:
    """What a user does to their tasks. Each method commits before it tells anybody."""

    def __init__(self, owner_id: UUID) -> None:
        self.owner_id = owner_id

    async def create(
        self, new: TaskCreate, *, idempotency_key: str | None, request_id: str | None = None
    ) -> Accepted:
        """Accept a task, once per idempotency key.

        The tasks of one user are made one after another, so that no limit is passed and a key
        is never used twice, however many requests come at once.

        Raises:
            IdempotencyKeyReused: the key came with another request before.
            SizeBeyondPlan, QuotaExceeded, TooManyTasksAtOnce: see `admit_task`.
            InvalidToken: the account was closed since the request was let in.
        """
        request = fingerprint("POST", "/api/v1/tasks", new.model_dump(mode="json"))
        async with transaction() as session:
            subscriptions = await self._take_turn(session)
            keys = IdempotencyKeyRepository(session, owner_id=self.owner_id)
            if idempotency_key is not None and (known := await keys.get(idempotency_key)):
                if known.fingerprint != request:
                    raise IdempotencyKeyReused
                return Accepted(known.body, replayed=True)
            size = new.parameters
            await admit_task(subscriptions, width=size.width, height=size.height)
            task = await transitions.create(session, self._new_task(new, request_id))
            body = TaskRead.of(task).model_dump(mode="json")
            if idempotency_key is not None:
                await keys.add(
                    idempotency_key,
                    fingerprint=request,
                    task_id=task.id,
                    status_code=ACCEPTED,
                    body=body,
                    ttl_seconds=settings.tasks().idempotency_ttl_seconds,
                )
        await dispatch(task)
        await broadcaster().publish(task)
        return Accepted(body, replayed=False)

    async def _take_turn(self, session: AsyncSession) -> SubscriptionRepository:
        subscriptions = SubscriptionRepository(session, user_id=self.owner_id)
        owner = await subscriptions.lock_owner()
        if owner is None or not is_in_use(owner):
            raise InvalidToken
        return subscriptions

    def _new_task(self, new: TaskCreate, request_id: str | None) -> Task:
        configured = settings.tasks()
        parameters = new.parameters.model_dump(mode="json")
        if parameters["seed"] is None:  # drawn here, so that the picture can be made again
            parameters["seed"] = secrets.randbelow(MAX_SEED + 1)
        return Task(
            id=uuid4(),
            user_id=self.owner_id,
            prompt=new.prompt,
            parameters=parameters,
            max_attempts=configured.max_attempts,
            run_timeout_seconds=configured.run_timeout_seconds,
            queued_deadline=database_now(configured.queue_timeout_seconds),
            request_id=request_id,
        )

    async def cancel(self, task_id: UUID) -> Task:
        """Cancel a task, or have its worker stop; doing it again changes nothing.

        Raises:
            TaskNotFound: it is missing or somebody else's.
            TaskFinished: it ended in another way.
        """
        async with transaction() as session:
            cancelled = await transitions.cancel(session, task_id, owner_id=self.owner_id)
            task = cancelled or await self._cancelled_before(session, task_id)
        if cancelled:
            await broadcaster().publish(cancelled)
        return task

    async def _cancelled_before(self, session: AsyncSession, task_id: UUID) -> Task:
        task = await TaskRepository(session, owner_id=self.owner_id).one(task_id)
        if task.status.terminal and task.status != TaskStatus.CANCELLED:
            raise TaskFinished(task=TaskRead.of(task).model_dump(mode="json"))
        return task
