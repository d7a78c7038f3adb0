from uuid import UUID

from shared.services.tasks import TaskService
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import WriterDep

app = create_app()


@app.delete("/api/v1/tasks/{task_id}", status_code=204)
async def delete_task(task_id: UUID, user: WriterDep) -> None:
    """Delete a task that has ended, with its history and its picture."""
    await TaskService(user.user_id).delete(task_id)


handler = lambda_handler(app)
