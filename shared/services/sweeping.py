import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from shared import settings
from shared.database import transaction
from shared.engine import task_metrics, transitions
from shared.engine.broadcast import broadcaster
from shared.engine.dispatching import dispatch
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process import metrics
from shared.queues.doorbells import QueueUnavailable
from shared.queues.registry import queue
from shared.repositories import sweeping as repository
from shared.services.outgoing_mails import send_due
from shared.services.subscriptions import renew_overdue

logger = logging.getLogger(__name__)

STUCK_LEASES = 4  # a sweep takes a lost lease after one; after four, sweeps have failed


async def sweep() -> None:
    """Repair whatever a crash left unfinished: one pass over all tasks, with a limited batch of
    each repair.

    Two sweeps at once do no harm: what one has repaired, the guards of the other's statements skip.
    """
    await _take_from_lost_workers()
    await _expire_overdue()
    await _keep_promises()
    await _ring_again()
    await _publish_again()
    await renew_overdue()
    await _prune()
    await send_due()
    await _measure()
    metrics.record(metrics.SWEEPS)


async def _take_from_lost_workers() -> None:
    lost = [
        await _change(transitions.lose_lease, task_id, "lost_lease")
        for task_id in await _ids(repository.with_lost_lease())
    ]
    if ended := [task for task in lost if task and task.status.terminal]:
        await _remove_leavings(ended)


async def _remove_leavings(tasks: Sequence[Task]) -> None:
    """Remove what the workers of these tasks may have stored, since no later attempt does."""
    from shared.clients import objects  # loads boto3, and few sweeps need it

    try:
        for task in tasks:
            await objects.delete_all(objects.folder(task.id))
    except objects.ObjectStoreUnavailable as error:
        logger.warning("Objects were left behind", extra={"error": str(error)})


async def _expire_overdue() -> None:
    for task_id in await _ids(repository.overdue()):
        await _change(transitions.expire, task_id, "expired")


async def _change(
    transition: Callable[[AsyncSession, UUID], Awaitable[Task | None]],
    task_id: UUID,
    repair: str,
) -> Task | None:
    async with transaction() as session:
        task = await transition(session, task_id)
    if task is None:
        return None
    metrics.record(metrics.SWEEP_REPAIRS, Repair=repair)
    task_metrics.finished(task)
    logger.info(
        "A task was swept",
        extra={
            "task_id": str(task.id),
            "request_id": task.request_id,
            "status": task.status.value,
        },
    )
    if task.status == TaskStatus.QUEUED:
        await dispatch(task)
    await broadcaster().publish(task)
    return task


async def _keep_promises() -> None:
    """Ring for tasks whose creator or last worker died before it could."""
    async with transaction() as session:
        promises = await repository.claim_outbox(session)
    for position, promise in enumerate(promises):
        try:
            await queue().ring_generate(promise.task_id)
        except QueueUnavailable as error:
            logger.warning("The broker is away", extra={"error": str(error)})
            async with transaction() as session:
                for kept in promises[position:]:
                    await repository.give_back(session, kept, str(error))
            return
        async with transaction() as session:
            await transitions.mark_dispatched(session, promise.task_id, promise.sequence)
        metrics.record(metrics.SWEEP_REPAIRS, Repair="dispatched")


async def _ring_again() -> None:
    seconds = settings.tasks().redispatch_seconds
    for query in (repository.unheard(seconds), repository.without_doorbell()):
        for task in await _tasks(query):
            if await dispatch(task):
                metrics.record(metrics.SWEEP_REPAIRS, Repair="rung_again")


async def _publish_again() -> None:
    seconds = settings.tasks().republish_seconds
    for task in await _tasks(repository.unpublished(seconds)):
        if not await broadcaster().publish(task):
            return
        metrics.record(metrics.SWEEP_REPAIRS, Repair="published_again")


async def _measure() -> None:
    stuck_seconds = STUCK_LEASES * settings.tasks().lease_seconds
    async with transaction(writing=False) as session:
        backlog = await repository.backlog(session, stuck_seconds=stuck_seconds)
    metrics.record(metrics.QUEUED_TASKS, backlog.queued)
    metrics.record(metrics.PROCESSING_TASKS, backlog.processing)
    metrics.record(metrics.STUCK_TASKS, backlog.stuck)
    metrics.record(metrics.OLDEST_QUEUED_AGE, backlog.oldest_queued_seconds)
    metrics.record(metrics.UNDISPATCHED_MESSAGES, backlog.undispatched)


async def _prune() -> None:
    retention_seconds = settings.tasks().event_retention_seconds
    async with transaction() as session:
        await repository.prune_idempotency_keys(session)
        await repository.prune_rate_limit_counters(session)
        await repository.prune_outbox(session, retention_seconds=retention_seconds)
        await repository.prune_events(session, retention_seconds=retention_seconds)


async def _ids(query: Select[UUID]) -> list[UUID]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(query))


async def _tasks(query: Select[Task]) -> list[Task]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(query))
