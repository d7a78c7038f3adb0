from uuid import UUID

from shared.schemas.task import TaskRead
from shared.services.tasks import TaskService
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import WriterDep

app = create_app()


@app.post("/api/v1/tasks/{task_id}/cancel")
async def cancel_task(task_id: UUID, user: WriterDep) -> TaskRead:
    """Cancel a waiting task, or ask a running one to stop."""
    return TaskRead.of(await TaskService(user.user_id).cancel(task_id))


handler = lambda_handler(app)
