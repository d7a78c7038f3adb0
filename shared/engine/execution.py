import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from shared import settings
from shared.clients import objects
from shared.clients.objects import ObjectStoreUnavailable
from shared.database import Asked, connection, transaction
from shared.engine import claiming, task_metrics, transitions, webhooks
from shared.engine.broadcast import broadcaster
from shared.engine.dispatching import dispatch
from shared.engine.leases import leases
from shared.engine.marks import marks
from shared.engine.outcomes import (
    GENERATOR_FAILED,
    NOT_STORED,
    TIMED_OUT,
    Completed,
    Failed,
    Interrupted,
    Outcome,
)
from shared.engine.pictures import is_png_of, thumbnails_of
from shared.engine.transitions import Lease
from shared.errors import Unavailable
from shared.generators import registry
from shared.generators.port import GenerationFailed, GenerationParameters, Generator, Image, Style
from shared.models.stored_picture import StoredPicture, thumbnail_key
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process import logs
from shared.singletons import singleton

logger = logging.getLogger(__name__)

PROGRESS_PAUSE_SECONDS = 0.25
STOP_GRACE_SECONDS = 1.0
SETTLE_PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 60.0
UPLOAD_GRACE_SECONDS = 20.0
MAX_BACKOFF_SECONDS = 300.0


class AttemptIsOver(Exception):
    """Raised in a generator that reports progress after its attempt has ended."""


@singleton
def generator() -> Generator:
    return registry.generator(settings.generator().url.get_secret_value())


async def execute_next(*, worker_id: str, stopping: asyncio.Event | None = None) -> None:
    """Run one attempt of the first task in line, unless none may begin.

    Once `stopping` is set, the task goes back to the queue and the attempt does not count. A fault
    of the task or its generator is written to the task; a fault of the database is raised, and the
    lease runs out.
    """
    chosen = generator()  # before the claim: a wrong setting must not cost an attempt
    task = await claiming.begin_next(worker_id=worker_id)
    if task is not None:
        task_metrics.started(task)
        await Attempt(task, chosen, stopping or asyncio.Event()).run()


class Attempt:
    """One run of the generator under a lease. Every write names the token of the lease."""

    def __init__(self, task: Task, generator: Generator, stopping: asyncio.Event) -> None:
        assert task.lease_token  # noqa: S101 - a claimed task has one
        self._task = task
        self._generator = generator
        self._stopping = stopping
        self._lease = Lease(task.id, task.lease_token)
        self._key = f"{objects.folder(task.id)}{task.attempt}-{task.lease_token.hex[:8]}.png"
        self._over = asyncio.Event()
        self._upload: asyncio.Task[None] | None = None
        self._kept_waiting: Task | None = None
        self._progress = 0.0
        self._news = asyncio.Event()

    async def run(self) -> None:
        with logs.about(task_id=str(self._task.id), request_id=self._task.request_id):
            await self._run()

    async def _run(self) -> None:
        outcome = await self._work_under_watch()
        task = await self._settle(outcome)
        task_metrics.attempt_ended(self._task, task)
        if task is None:
            logger.warning("A lease was lost")
        else:
            await self._tell(task)
        if task is None or task.status != TaskStatus.COMPLETED:
            await self._remove_object()
        if task is not None and task.status.terminal and task.attempt > 1:
            await self._remove_leavings(task)

    async def _tell(self, task: Task) -> None:
        logger.info(
            "An attempt ended", extra={"attempt": self._task.attempt, "status": task.status.value}
        )
        if task.status == TaskStatus.QUEUED:
            pause = task.next_attempt_at - task.updated_at
            await dispatch(task, delay_seconds=max(pause.total_seconds(), 0))
        await self._publish(task)
        if not leases().any or marks().are_many:  # or else the attempts that still run write them
            await marks().write()
        await webhooks.ring(task)
        if self._kept_waiting:
            await dispatch(self._kept_waiting)

    async def _work_under_watch(self) -> Outcome:
        """Run the generator while the lease is renewed, until one of the two ends the attempt."""
        work = asyncio.create_task(self._work())
        interruption = leases().keep(self._lease)
        reports = asyncio.create_task(self._report())
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                (work, interruption, stop),
                timeout=self._task.run_timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            finished = work.done()
        finally:
            # What writes to the database is not cancelled: it sees that the attempt is over.
            self._over.set()
            self._news.set()
            keeper_idle = leases().let_go(self._lease)
            stop.cancel()
            work.cancel()
        # A generator that does not stop is left behind: it can neither report nor store any more.
        await asyncio.wait((work,), timeout=STOP_GRACE_SECONDS)
        await reports
        await keeper_idle
        if finished:
            return work.result()
        if interruption.done():
            return interruption.result()
        return Interrupted.WORKER_STOPS if self._stopping.is_set() else TIMED_OUT

    async def _work(self) -> Completed | Failed:
        try:
            return Completed(await self._make_picture())
        except GenerationFailed as failure:
            return Failed.of(failure)
        except ObjectStoreUnavailable:
            logger.exception("A picture was not stored")
            return NOT_STORED
        except Exception:  # a generator is foreign code: whatever it raises ends its own task only
            logger.exception("The generator failed")
            return GENERATOR_FAILED

    async def _make_picture(self) -> StoredPicture:
        wanted = self._task.parameters
        parameters = GenerationParameters(**{**wanted, "style": Style(wanted["style"])})
        image = await self._generator.generate(self._task.prompt, parameters, self._note_progress)
        if not is_png_of(image, width=parameters.width, height=parameters.height):
            raise GenerationFailed(
                "invalid_output", "The generator gave no picture of this size.", retryable=False
            )
        self._check_not_over()
        thumbnails = await asyncio.to_thread(thumbnails_of, image)
        self._check_not_over()
        self._upload = asyncio.create_task(self._store(image, thumbnails))
        await asyncio.shield(self._upload)
        return StoredPicture(
            key=self._key,
            content_type=image.content_type,
            width=image.width,
            height=image.height,
            bytes=len(image.data),
            thumbnails=tuple(thumbnails),
        )

    async def _store(self, image: Image, thumbnails: Mapping[int, bytes]) -> None:
        """All uploads have ended when this does, also with an error."""
        puts = [
            objects.put(self._key, image.data, content_type=image.content_type),
            *(
                objects.put(thumbnail_key(self._key, width), data, content_type="image/webp")
                for width, data in thumbnails.items()
            ),
        ]
        for ended in await asyncio.gather(*puts, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _note_progress(self, fraction: float) -> None:
        """Called by the generator; returns at once."""
        self._check_not_over()
        if not math.isnan(fraction):
            self._progress = max(self._progress, round(min(fraction, 1.0), 3))
            self._news.set()

    def _check_not_over(self) -> None:
        if self._over.is_set():
            raise AttemptIsOver

    async def _report(self) -> None:
        """Publish that the attempt has begun; then write the newest progress, not too often."""
        await self._publish(self._task)
        reported = 0.0
        while True:
            await self._news.wait()
            if self._over.is_set():
                return
            self._news.clear()
            if self._progress > reported:
                reported = self._progress
                await self._write_progress(reported)
                await self._pause(PROGRESS_PAUSE_SECONDS)

    async def _write_progress(self, progress: float) -> None:
        try:
            async with connection() as asked:
                task = await transitions.record_progress(asked, self._lease, progress)
        except (SQLAlchemyError, Unavailable) as error:
            logger.warning("Progress was not written", extra={"error": str(error)})
            return
        if task is not None:
            await self._publish(task)

    async def _publish(self, task: Task) -> None:
        if await broadcaster().tell(task):
            marks().note(task)

    async def _pause(self, seconds: float) -> bool:
        """Wait, at most until the attempt ends. Returns whether it has ended."""
        try:
            async with asyncio.timeout(seconds):
                return await self._over.wait()
        except TimeoutError:
            return False

    async def _settle(self, outcome: Outcome) -> Task | None:
        """Write how the attempt ended. None: another worker has the task, or has written its end.

        A cancel that was accepted before wins over any other end. If the database fails, this tries
        again for a minute: a picture takes too long to be made again for that.
        """
        give_up_at = time.monotonic() + SETTLE_SECONDS
        try:
            return await self._write_end(outcome)
        except (SQLAlchemyError, Unavailable) as error:
            logger.warning("The end of an attempt was not written", extra={"error": str(error)})
        while True:
            await asyncio.sleep(SETTLE_PAUSE_SECONDS)
            try:
                return await self._write_end(outcome) or await self._written_end()
            except Unavailable:
                if time.monotonic() > give_up_at or self._stopping.is_set():
                    raise

    async def _write_end(self, outcome: Outcome) -> Task | None:
        async with connection() as asked:
            task = await self._end(asked, outcome) or await transitions.acknowledge_cancel(
                asked, self._lease
            )
            if task is None or task.owner_waits:
                self._kept_waiting = await claiming.next_without_doorbell(asked, self._task.user_id)
        return task

    async def _written_end(self) -> Task | None:
        """The task, if it has this picture: then the commit succeeded and only its answer was
        lost."""
        async with transaction(writing=False) as session:
            task = await session.get(Task, self._task.id)
        return task if task and task.result and task.result.key == self._key else None

    async def _end(self, asked: Asked, outcome: Outcome) -> Task | None:
        match outcome:
            case Completed():
                return await transitions.complete(asked, self._lease, outcome.picture)
            case Failed():
                return await self._fail(asked, outcome)
            case Interrupted.WORKER_STOPS:
                return await transitions.release(asked, self._lease)
            case Interrupted.LEASE_LOST | Interrupted.CANCEL_REQUESTED:
                return None

    async def _fail(self, asked: Asked, failure: Failed) -> Task | None:
        if failure.retryable and self._task.attempt < self._task.max_attempts:
            wished = min(failure.retry_after_seconds, MAX_BACKOFF_SECONDS)
            delay = max(backoff_seconds(self._task.attempt), wished)
            return await transitions.retry_later(
                asked, self._lease, failure.error, delay_seconds=delay
            )
        return await transitions.fail(asked, self._lease, failure.error)

    async def _remove_object(self) -> None:
        """Remove the picture. An upload under way must end first, or it would come after the
        removal."""
        if self._upload:
            await asyncio.wait((self._upload,), timeout=UPLOAD_GRACE_SECONDS)
            await _quietly(objects.delete_all(self._key))

    async def _remove_leavings(self, task: Task) -> None:
        """Remove what earlier attempts stored, if their workers were killed before they could
        remove it."""
        kept = task.result.key if task.result else None
        await _quietly(objects.delete_all(objects.folder(task.id), keep=kept))


async def _quietly(deletion: Awaitable[None]) -> None:
    try:
        await deletion
    except ObjectStoreUnavailable as error:
        logger.warning("An object was left behind", extra={"error": str(error)})


def backoff_seconds(attempt: int) -> float:
    """How long to wait after this many attempts: it doubles each time, with jitter, up to five
    minutes."""
    longest = min(MAX_BACKOFF_SECONDS, 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
