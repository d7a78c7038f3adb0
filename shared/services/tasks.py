import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from shared import settings
from shared.database import transaction
from shared.engine import task_metrics, transitions, webhooks
from shared.engine.announcing import announcements
from shared.engine.broadcast import broadcaster
from shared.errors import (
    IdempotencyKeyReused,
    InvalidToken,
    TaskFinished,
    TaskNotFinished,
    Unavailable,
)
from shared.models.base import database_now
from shared.models.task import Task, TaskState
from shared.models.task_status import TaskStatus
from shared.repositories.idempotency_keys import IdempotencyKeyRepository
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.tasks import OwnTasks, TaskRepository
from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.schemas.task import MAX_SEED, TaskCreate, TaskRead, task_url
from shared.services.idempotency import fingerprint
from shared.services.sessions import is_in_use
from shared.services.subscriptions import admit_task

logger = logging.getLogger(__name__)

ACCEPTED = 202


@dataclass(frozen=True)
class Accepted:
    """The answer to a submitted task: its body, and whether an earlier request already got it."""

    body: dict[str, Any]
    replayed: bool


@dataclass(frozen=True)
class Order:
    """A task to create: for which request, with which idempotency key, and repeating which task."""

    prompt: str
    parameters: dict[str, Any]
    fingerprint: bytes
    key: str | None
    request_id: str | None
    retry_of: UUID | None = None
    webhook_url: str | None = None


class TaskService:
    """What a user does with their tasks. Each method commits before it publishes."""

    def __init__(self, owner_id: UUID) -> None:
        self.owner_id = owner_id

    async def create(
        self, new: TaskCreate, *, idempotency_key: str | None, request_id: str | None = None
    ) -> Accepted:
        """Accept a task, once per idempotency key.

        The tasks of one user are created one after another, so that no limit is exceeded and no key
        is used twice, however many requests come at once.

        Raises:
            IdempotencyKeyReused: the key came with another request before.
            SizeBeyondPlan, QuotaExceeded, TooManyTasksAtOnce: see `admit_task`.
            InvalidToken: the account was closed after the request was authenticated.
        """
        wanted = new.model_dump(mode="json")
        request = fingerprint("POST", "/api/v1/tasks", _compared(wanted))
        order = Order(
            new.prompt,
            wanted["parameters"],
            request,
            idempotency_key,
            request_id,
            webhook_url=new.webhook_url,
        )
        return await self._place(order)

    async def retry(
        self, task_id: UUID, *, idempotency_key: str | None, request_id: str | None = None
    ) -> Accepted:
        """Accept a new task with the prompt and parameters of one that has ended, seed and all.

        Raises:
            TaskNotFound: it is missing or somebody else's.
            TaskNotFinished: it may still succeed by itself.
            And as `create`.
        """
        task = await self._ended(task_id, "Only a task that has ended can be tried again.")
        request = fingerprint("POST", f"{task_url(task_id)}/retry", {})
        # As it was stored: what is valid for new tasks may have been narrowed since.
        order = Order(
            task.prompt,
            task.parameters,
            request,
            idempotency_key,
            request_id,
            retry_of=task_id,
            webhook_url=task.webhook_url,
        )
        return await self._place(order)

    async def _place(self, order: Order) -> Accepted:
        async with transaction() as session:
            subscriptions = await self._lock_owner(session)
            keys = IdempotencyKeyRepository(session, owner_id=self.owner_id)
            if order.key is not None and (known := await keys.get(order.key)):
                if known.fingerprint != order.fingerprint:
                    raise IdempotencyKeyReused
                return Accepted(known.body, replayed=True)
            size = {side: order.parameters[side] for side in ("width", "height")}
            limits, turn_at = await admit_task(subscriptions, **size)
            if order.webhook_url is not None:
                await WebhookSecretRepository(session, owner_id=self.owner_id).ensure()
            new = self._new_task(order, turn_at=turn_at, runs_at_once=limits.runs_at_once)
            asked = await session.connection()
            task = await transitions.create(asked, new, rings_at_once=True)
            noted = await announcements().note(asked)
            body = TaskRead.of(task).model_dump(mode="json")
            if order.key is not None:
                await keys.add(
                    order.key,
                    fingerprint=order.fingerprint,
                    task_id=task.id,
                    status_code=ACCEPTED,
                    body=body,
                    ttl_seconds=settings.tasks().idempotency_ttl_seconds,
                )
        announcements().forget(noted)
        task_metrics.submitted()
        logger.info("A task was submitted", extra={"task_id": str(task.id)})
        await announcements().announce(task)
        return Accepted(body, replayed=False)

    async def _lock_owner(self, session: AsyncSession) -> SubscriptionRepository:
        subscriptions = SubscriptionRepository(session, user_id=self.owner_id)
        owner = await subscriptions.lock_owner()
        if owner is None or not is_in_use(owner):
            raise InvalidToken
        return subscriptions

    def _new_task(self, order: Order, *, turn_at: datetime, runs_at_once: int) -> Task:
        configured, parameters = settings.tasks(), dict(order.parameters)
        if parameters["seed"] is None:  # drawn here, so that the picture can be made again
            parameters["seed"] = secrets.randbelow(MAX_SEED + 1)
        return Task(
            id=uuid4(),
            user_id=self.owner_id,
            prompt=order.prompt,
            parameters=parameters,
            turn_at=turn_at,
            runs_at_once=runs_at_once,
            max_attempts=configured.max_attempts,
            run_timeout_seconds=configured.run_timeout_seconds,
            queued_deadline=_from_now(configured.queue_timeout_seconds),
            request_id=order.request_id,
            retry_of=order.retry_of,
            webhook_url=order.webhook_url,
            published_sequence=1,  # nobody can watch a task that is not there yet
        )

    async def cancel(self, task_id: UUID) -> Task | TaskState:
        """Cancel a task, or ask its worker to stop. A second call changes nothing.

        Raises:
            TaskNotFound: it is missing or somebody else's.
            TaskFinished: it ended in another way.
        """
        async with transaction() as session:
            cancelled = await transitions.cancel(session, task_id, owner_id=self.owner_id)
            task: Task | TaskState = cancelled or await self._cancelled_before(session, task_id)
        if cancelled:
            task_metrics.finished(cancelled)
            await broadcaster().publish(cancelled)
            await webhooks.ring(cancelled)
        return task

    async def _cancelled_before(self, session: AsyncSession, task_id: UUID) -> TaskState:
        task = await TaskRepository(session, owner_id=self.owner_id).one(task_id)
        if task.status.terminal and task.status != TaskStatus.CANCELLED:
            raise TaskFinished(task=TaskRead.of(task).model_dump(mode="json"))
        return task

    async def delete(self, task_id: UUID) -> None:
        """Delete a task that has ended, with its history and its pictures.

        The pictures are deleted first, since the task says where they are. So nothing is left once
        this has returned, and after a failure it can be called again.

        Raises:
            TaskNotFound: it is missing or somebody else's.
            TaskNotFinished: cancel it first.
            Unavailable: the object store is away; the task is still there.
        """
        from shared.clients import objects  # loads boto3, which nothing else here needs

        task = await self._ended(task_id, "Only a task that has ended can be deleted.")
        try:
            await objects.delete_all(objects.folder(task.id))
        except objects.ObjectStoreUnavailable as error:
            raise Unavailable("The pictures could not be deleted; try again shortly.") from error
        async with transaction() as session:
            await TaskRepository(session, owner_id=self.owner_id).delete(task.id)
        await broadcaster().retract(task.id)

    async def _ended(self, task_id: UUID, otherwise: str) -> TaskState:
        """The task, which has ended. It no longer changes, so the caller needs no lock."""
        task = await OwnTasks(self.owner_id).one(task_id)
        if not task.status.terminal:
            raise TaskNotFinished(otherwise)
        return task


@cache
def _from_now(seconds: float) -> database_now:
    """The same each time, so that the statement with it is built once."""
    return database_now(seconds)


def _compared(wanted: dict[str, Any]) -> dict[str, Any]:
    """What of a request must be the same when its idempotency key comes again. A webhook that is
    left out is left out here too, so that keys from before there were webhooks keep their
    meaning."""
    return {name: value for name, value in wanted.items() if name != "webhook_url" or value}
