from uuid import UUID

from fastapi.responses import RedirectResponse

from shared.clients import objects
from shared.errors import NotFound, TaskNotFinished
from shared.web.api import create_app, lambda_handler
from shared.web.task_access import AskedTaskDep

app = create_app()


@app.get("/api/v1/tasks/{task_id}/result", status_code=307, response_class=RedirectResponse)
async def get_result(task_id: UUID, asked: AskedTaskDep, download: bool = False) -> str:
    """Redirect to the picture: anybody may use the link, for a few minutes. With `download` a
    browser saves the picture instead of showing it."""
    task = asked.found()
    if not task.status.terminal:
        raise TaskNotFinished
    if task.result is None:
        raise NotFound("The task ended without a picture.")
    return objects.link(
        task.result.key,
        content_type=task.result.content_type,
        file_name=f"{task.id}.png",
        download=download,
    )


handler = lambda_handler(app)
