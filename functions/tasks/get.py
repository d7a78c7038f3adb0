from typing import Annotated
from uuid import UUID

from fastapi import Header, Response

from shared.api import create_app, lambda_handler
from shared.etags import matches
from shared.schemas.task import TaskRead
from shared.task_access import OwnTasksDep

app = create_app()


@app.get(
    "/api/v1/tasks/{task_id}",
    response_model=TaskRead,
    responses={304: {"description": "The task is as it was."}},
)
async def get_task(
    task_id: UUID,
    tasks: OwnTasksDep,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> TaskRead | Response:
    """The task as it is now."""
    task = TaskRead.of(await tasks.one(task_id))
    if matches(if_none_match, task.etag):
        return Response(status_code=304, headers={"ETag": task.etag})
    response.headers["ETag"] = task.etag
    return task


handler = lambda_handler(app)
