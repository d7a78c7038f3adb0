import logging
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from shared import settings
from shared.database import transaction
from shared.engine import task_metrics, transitions, webhooks
from shared.engine.broadcast import broadcaster
from shared.engine.dispatching import dispatch
from shared.errors import Unavailable
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process import metrics
from shared.process.parallel import within
from shared.queues.doorbells import QueueUnavailable
from shared.queues.registry import queue
from shared.repositories import sweeping as repository
from shared.repositories import webhook_sending as sending
from shared.services.outgoing_mails import send_due
from shared.services.pruning import prune
from shared.services.subscriptions import renew_overdue

logger = logging.getLogger(__name__)

STUCK_LEASES = 4  # a sweep takes a lost lease after one; after four, sweeps have failed
# A part begins nothing more after this time. All parts together, and what each has just begun, fit
# into the 30 s that the template gives a sweep.
PART_SECONDS = 2.0
PRUNING_SECONDS = 1.0
MAIL_BATCHES = 5


async def sweep() -> None:
    """Repair whatever a crash left unfinished, and delete what nobody needs any more.

    What people wait for comes first: tasks, then mails, then the rest. Each part takes a limited
    batch and a limited time, and the others go on when one fails, so that none can starve another.
    Two sweeps at once do no harm: what one has repaired, the guards of the other's statements skip.

    Raises:
        Unavailable: the database is away, so no part can do anything.
        ExceptionGroup: what went wrong in some parts, after all others have run.
    """
    ended: list[Task] = []
    failures: list[Exception] = []
    for part in (
        _keep_promises,
        partial(_take_from_lost_workers, ended),
        _ring_again,
        _publish_again,
        _ring_for_webhooks,
        _send_mails,
        _expire_overdue,
        _measure,
        renew_overdue,
        partial(prune, seconds=PRUNING_SECONDS),
        partial(_remove_leavings, ended),
    ):
        try:
            await part()
        except Unavailable:
            raise
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("Parts of a sweep failed", failures)
    metrics.record(metrics.SWEEPS)


async def _take_from_lost_workers(ended: list[Task]) -> None:
    """Add those that do not run again to `ended`."""
    for task_id in within(PART_SECONDS, await _ids(repository.with_lost_lease())):
        task = await _change(transitions.lose_lease, task_id, "lost_lease")
        if task and task.status.terminal:
            ended.append(task)


async def _remove_leavings(ended: list[Task]) -> None:
    """Remove what the workers of these tasks may have stored, since no later attempt does."""
    if not ended:
        return
    from shared.clients import objects  # loads boto3, and few sweeps need it

    try:
        for task in within(PART_SECONDS, ended):
            await objects.delete_all(objects.folder(task.id))
    except objects.ObjectStoreUnavailable as error:
        logger.warning("Objects were left behind", extra={"error": str(error)})


async def _send_mails() -> None:
    for _ in within(PART_SECONDS, range(MAIL_BATCHES)):
        if not await send_due():
            return


async def _expire_overdue() -> None:
    for task_id in within(PART_SECONDS, await _ids(repository.overdue())):
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
    await webhooks.ring(task)
    return task


async def _keep_promises() -> None:
    """Ring for tasks whose creator or last worker died before it could."""
    async with transaction() as session:
        await repository.close_outbox(session)
        promises = await repository.claim_outbox(session)
    kept, error_text = 0, "The time of the sweep was over."
    for promise in within(PART_SECONDS, promises):
        try:
            await queue().ring_generate(promise.task_id)
        except QueueUnavailable as error:
            logger.warning("The broker is away", extra={"error": str(error)})
            error_text = str(error)
            break
        async with transaction() as session:
            await transitions.mark_dispatched(session, promise.task_id, promise.sequence)
        metrics.record(metrics.SWEEP_REPAIRS, Repair="dispatched")
        kept += 1
    if unkept := promises[kept:]:
        async with transaction() as session:
            for promise in unkept:
                await repository.give_back(session, promise, error_text)


async def _ring_again() -> None:
    seconds = settings.tasks().redispatch_seconds
    for query in (repository.unheard(seconds), repository.without_doorbell()):
        for task in within(PART_SECONDS / 2, await _tasks(query)):
            if await dispatch(task):
                metrics.record(metrics.SWEEP_REPAIRS, Repair="rung_again")


async def _publish_again() -> None:
    seconds = settings.tasks().republish_seconds
    for task in within(PART_SECONDS, await _tasks(repository.unpublished(seconds))):
        if not await broadcaster().publish(task):
            return
        metrics.record(metrics.SWEEP_REPAIRS, Repair="published_again")


async def _ring_for_webhooks() -> None:
    """Ring for webhooks whose time has come again, or whose doorbell was lost."""
    async with transaction(writing=False) as session:
        due = await sending.anything_due(session)
    if not due:
        return
    try:
        await queue().ring_webhooks()
    except QueueUnavailable as error:
        logger.warning("The broker is away", extra={"error": str(error)})


async def _measure() -> None:
    stuck_seconds = STUCK_LEASES * settings.tasks().lease_seconds
    async with transaction(writing=False) as session:
        backlog = await repository.backlog(session, stuck_seconds=stuck_seconds)
    metrics.record(metrics.QUEUED_TASKS, backlog.queued)
    metrics.record(metrics.PROCESSING_TASKS, backlog.processing)
    metrics.record(metrics.STUCK_TASKS, backlog.stuck)
    metrics.record(metrics.OLDEST_QUEUED_AGE, backlog.oldest_queued_seconds)
    metrics.record(metrics.UNDISPATCHED_MESSAGES, backlog.undispatched)


async def _ids(query: Select[UUID]) -> list[UUID]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(query))


async def _tasks(query: Select[Task]) -> list[Task]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(query))
