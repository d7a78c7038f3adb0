from fastapi import Request
from fastapi.responses import JSONResponse

from shared.schemas.task import TaskCreate, TaskRead
from shared.services.idempotency import parse_key
from shared.services.tasks import TaskService
from shared.web.accepted import IdempotencyKeyHeader, accepted_task
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import WriterDep

app = create_app()


@app.post("/api/v1/tasks", status_code=202, response_model=TaskRead)
async def create_task(
    new: TaskCreate,
    user: WriterDep,
    request: Request,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Ask for a picture; a repeated key gets the first answer again, unchanged."""
    accepted = await TaskService(user.user_id).create(
        new,
        idempotency_key=parse_key(idempotency_key),
        request_id=request.state.request_id,
    )
    return accepted_task(accepted)


handler = lambda_handler(app)
