import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from shared.clients.redis_client import client
from shared.database import transaction
from shared.dependencies import one_request
from shared.models.task import Task
from shared.repositories.tasks import TaskRepository
from shared.schemas.task import TaskRead
from shared.services.etags import matches
from shared.stream.notices import Notices

MAX_WAIT_SECONDS = 25  # the function's own timeout, and the gateway's, come soon after
LOOK_SECONDS = 2  # a notice that was lost costs no more


def listen(task_id: UUID) -> Notices:
    return Notices(client(), task_id)


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
    listen: Callable[[UUID], Notices] = listen

    async def read(self, *, wait_seconds: float) -> Task:
        """The task as soon as its state is new, and at the latest after `wait_seconds`.

        A task that has ended is returned at once.

        Raises:
            TaskNotFound: it is missing, somebody else's, or deleted meanwhile.
        """
        task = await self._task()
        if wait_seconds > 0 and self._is_known(task):
            return await self._newer(task, min(wait_seconds, MAX_WAIT_SECONDS))
        return task

    def _is_known(self, task: Task) -> bool:
        if self.after is not None:
            return task.sequence == self.after
        return self.if_none_match is None or matches(self.if_none_match, TaskRead.of(task).etag)

    async def _newer(self, task: Task, seconds: float) -> Task:
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

    async def _task(self) -> Task:
        # A transaction of its own: none stays open, nor its connection taken, while one waits.
        async with transaction(writing=False) as session:
            return await TaskRepository(session, owner_id=self.owner_id).one(self.task_id)
