from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request, Response

from shared.schemas.task import MAX_SEQUENCE, TaskRead
from shared.services.etags import matches
from shared.services.long_poll import LongPoll
from shared.web.api import create_app, lambda_handler
from shared.web.edge import held_seconds
from shared.web.preferences import wait_seconds
from shared.web.task_access import AskedTaskDep

app = create_app()


@app.get(
    "/api/v1/tasks/{task_id}",
    response_model=TaskRead,
    responses={304: {"description": "The task is as it was."}},
)
async def get_task(
    task_id: UUID,
    asked: AskedTaskDep,
    request: Request,
    response: Response,
    after: Annotated[int | None, Query(ge=0, le=MAX_SEQUENCE)] = None,
    wait: Annotated[int, Query(ge=0)] = 0,
    prefer: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> TaskRead | Response:
    """The task as it is now; with `wait` (or `Prefer: wait`), the answer comes once it has
    changed."""
    preferred = wait_seconds(prefer)
    first = asked.found()
    poll = LongPoll(asked.user.user_id, task_id, after=after, if_none_match=if_none_match)
    newer = await poll.newer_than(
        first, wait_seconds=preferred or wait, held_seconds=held_seconds(request)
    )
    task = TaskRead.of(newer)
    headers = {"ETag": task.etag} | ({} if preferred is None else {"Preference-Applied": "wait"})
    if matches(if_none_match, task.etag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return task


handler = lambda_handler(app)
