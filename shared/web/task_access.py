from typing import Annotated

from fastapi import Depends

from shared.repositories.tasks import TaskRepository
from shared.web.api import ReadingSessionDep
from shared.web.authentication import UserDep


async def _own_tasks(user: UserDep, session: ReadingSessionDep) -> TaskRepository:
    # In this order: the user is read on the only connection before the session takes it.
    return TaskRepository(session, owner_id=user.user_id)


OwnTasksDep = Annotated[TaskRepository, Depends(_own_tasks, scope="function")]
