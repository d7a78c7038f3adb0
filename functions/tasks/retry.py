from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse

from shared.schemas.task import TaskRead
from shared.services.idempotency import parse_key
from shared.services.tasks import TaskService
from shared.web.accepted import IdempotencyKeyHeader, accepted_task
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import WriterDep

app = create_app()


@app.post("/api/v1/tasks/{task_id}/retry", status_code=202, response_model=TaskRead)
async def retry_task(
    task_id: UUID,
    user: WriterDep,
    request: Request,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Repeat a task that has ended, as a new task that names it in `retry_of`."""
    accepted = await TaskService(user.user_id).retry(
        task_id,
        idempotency_key=parse_key(idempotency_key),
        request_id=request.state.request_id,
    )
    return accepted_task(accepted)


handler = lambda_handler(app)
