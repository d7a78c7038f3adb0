from typing import Annotated

from fastapi import Depends

from shared.repositories.tasks import TaskRepository
from shared.web.authentication import ReadingDep


async def _own_tasks(reading: ReadingDep) -> TaskRepository:
    return TaskRepository(reading.session, owner_id=reading.user.user_id)


OwnTasksDep = Annotated[TaskRepository, Depends(_own_tasks, scope="function")]
