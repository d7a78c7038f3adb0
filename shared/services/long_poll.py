import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError

from shared import settings
from shared.database import transaction
from shared.dependencies import one_request
from shared.models.task import TaskState
from shared.models.user import Plan
from shared.plans import PLANS
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.tasks import OwnTasks
from shared.schemas.task import TaskRead
from shared.services.etags import matches
from shared.stream.notices import Notices, SharedNotices, listen
from shared.stream.waiting_requests import waiting_requests

MAX_WAIT_SECONDS = 25  # the function's own timeout, and the gateway's, come soon after
LOOK_SECONDS = 2  # a notice that was lost costs no more
UNCOUNTED_SECONDS = 5  # the longest wait while Redis cannot say how many others wait


@dataclass(frozen=True)
class LongPoll:
    """Reads a user's task, and waits for its next state if the client knows the present one.

    The client knows the state `after`, else the one that `if_none_match` names, else the first one
    read.
    """

    owner_id: UUID
    task_id: UUID
    after: int | None = None
    if_none_match: str | None = None
    listen: Callable[[UUID], Notices | SharedNotices] = listen

    async def read(self, *, wait_seconds: float) -> TaskState:
        """The task as soon as its state is new, and at the latest after `wait_seconds`.

        A task that has ended is returned at once.

        Raises:
            TaskNotFound: it is missing, somebody else's, or deleted meanwhile.
            TooManyPolls: as many requests of the user as the plan allows wait already.
            Unavailable: as many of all users wait as may keep others from being answered.
        """
        return await self.newer_than(await self._task(), wait_seconds=wait_seconds)

    async def newer_than(
        self, task: TaskState, *, wait_seconds: float, held_seconds: float = 0
    ) -> TaskState:
        """As `read`, once the task was read; the gateway has held the request for
        `held_seconds`."""
        seconds = min(wait_seconds, MAX_WAIT_SECONDS - held_seconds)
        if seconds <= 0 or task.status.terminal or not self._is_known(task):
            return task
        async with self._counted(seconds) as allowed:
            return await self._newer(task, allowed)

    @asynccontextmanager
    async def _counted(self, seconds: float) -> AsyncIterator[float]:
        """Count this request as one that waits. Yields how long it may do so.

        The longest wait is short while Redis, which counts them, is away.
        """
        waiting = waiting_requests()
        try:
            name = await waiting.enter(
                self.owner_id,
                seconds,
                most_of_user=await self._most_at_once(),
                most_of_all=settings.tasks().polls_at_once,
            )
        except (RedisError, OSError):
            yield min(seconds, UNCOUNTED_SECONDS)
            return
        try:
            yield seconds
        finally:
            await waiting.leave(self.owner_id, name)

    async def _most_at_once(self) -> int:
        async with transaction(writing=False) as session:
            live = await SubscriptionRepository(session, user_id=self.owner_id).live()
        return PLANS[live.plan if live else Plan.FREE].polls_at_once

    def _is_known(self, task: TaskState) -> bool:
        if self.after is not None:
            return task.sequence == self.after
        return self.if_none_match is None or matches(self.if_none_match, TaskRead.of(task).etag)

    async def _newer(self, task: TaskState, seconds: float) -> TaskState:
        deadline, known = time.monotonic() + seconds, task.sequence
        async with aclosing(self.listen(self.task_id)) as notices:
            while task.sequence == known and not task.status.terminal:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                await notices.wait(min(left, LOOK_SECONDS))
                with one_request():  # however many looks there are, each is one for itself
                    task = await self._task()
        return task

    async def _task(self) -> TaskState:
        # One statement by itself: no transaction stays open, nor its connection taken, while one
        # waits.
        return await OwnTasks(self.owner_id).one(self.task_id)
