from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from shared.errors import TaskNotFound
from shared.models.api_key_scope import Scope
from shared.models.task import TaskState
from shared.repositories.tasks import OWN_TASK
from shared.web.authentication import Asked, Asking, Principal


@dataclass(frozen=True, slots=True)
class AskedTask:
    """The task that a request's path names, read along with the sign-in of its user."""

    user: Principal
    _found: TaskState | None

    def found(self) -> TaskState:
        """Raises TaskNotFound: it is missing or somebody else's; nobody learns which."""
        if self._found is None:
            raise TaskNotFound
        return self._found


def _named(request: Request) -> Mapping[str, UUID | None]:
    """The task of the path. The route says what is wrong with one that cannot be read, but only to
    those who are signed in."""
    try:
        return {"task_id": UUID(request.path_params["task_id"])}
    except ValueError:
        return {"task_id": None}


OF_TASK = Asking(OWN_TASK, Scope.TASKS_READ, _named)


async def _asked_task(asked: Annotated[Asked, Depends(OF_TASK)]) -> AskedTask:
    task = TaskState(*asked.columns)
    return AskedTask(asked.user, task if task.id is not None else None)


AskedTaskDep = Annotated[AskedTask, Depends(_asked_task)]
