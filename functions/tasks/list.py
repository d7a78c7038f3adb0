from typing import Annotated

from fastapi import Query

from shared.models.task_status import TaskStatus
from shared.repositories.tasks import Cursor, OwnTasks
from shared.schemas.task import TaskList, TaskRead
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import ReaderDep

app = create_app()


@app.get("/api/v1/tasks")
async def list_tasks(
    user: ReaderDep,
    status: TaskStatus | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> TaskList:
    """The caller's own tasks, newest first."""
    after = None if cursor is None else Cursor.decode(cursor)
    page = await OwnTasks(user.user_id).page(status=status, after=after, limit=limit)
    return TaskList(
        items=[TaskRead.of(task) for task in page.tasks],
        next_cursor=page.next_cursor.encode() if page.next_cursor else None,
    )


handler = lambda_handler(app)
