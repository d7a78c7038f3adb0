from typing import Annotated, Any

from fastapi import Header, Request, Response

from shared.api import create_app, lambda_handler
from shared.idempotency import parse_key
from shared.schemas.task import TaskCreate, TaskRead, task_url
from shared.task_access import TaskServiceDep

app = create_app()


@app.post("/api/v1/tasks", status_code=202, response_model=TaskRead)
async def create_task(
    new: TaskCreate,
    tasks: TaskServiceDep,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> dict[str, Any]:
    """Ask for a picture."""
    accepted = await tasks.create(
        new,
        idempotency_key=None if idempotency_key is None else parse_key(idempotency_key),
        request_id=request.state.request_id,
    )
    response.headers["Location"] = task_url(accepted.body["id"])
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return accepted.body


handler = lambda_handler(app)
