from typing import Annotated
from uuid import UUID

from fastapi import Header, Request
from fastapi.responses import JSONResponse

from shared.schemas.task import TaskRead, task_url
from shared.services.idempotency import parse_key
from shared.services.tasks import TaskService
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.post("/api/v1/tasks/{task_id}/retry", status_code=202, response_model=TaskRead)
async def retry_task(
    task_id: UUID,
    user: UserDep,
    request: Request,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Ask again for what a task that has ended asked for: a new task, with `retry_of`."""
    accepted = await TaskService(user.user_id).retry(
        task_id,
        idempotency_key=None if idempotency_key is None else parse_key(idempotency_key),
        request_id=request.state.request_id,
    )
    headers = {"Location": task_url(accepted.body["id"])}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(accepted.body, status_code=202, headers=headers)


handler = lambda_handler(app)
