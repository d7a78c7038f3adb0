from uuid import UUID

from shared.api import create_app, lambda_handler
from shared.schemas.task import TaskRead
from shared.task_access import TaskServiceDep

app = create_app()


@app.post("/api/v1/tasks/{task_id}/cancel")
async def cancel_task(task_id: UUID, tasks: TaskServiceDep) -> TaskRead:
    """Cancel a waiting task, or ask a running one to stop."""
    return TaskRead.of(await tasks.cancel(task_id))


handler = lambda_handler(app)
