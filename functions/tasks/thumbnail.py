"""GET /api/v1/tasks/{task_id}/thumbnails/{width}: the picture in a smaller size."""

from uuid import UUID

from fastapi import Response

from shared.clients import objects
from shared.errors import NotFound, TaskNotFinished, Unavailable
from shared.web.api import create_app, lambda_handler
from shared.web.task_access import AskedTaskDep

# Whoever may see it keeps it: what an ended task shows never changes.
KEPT = "private, max-age=31536000, immutable"

app = create_app()


@app.get("/api/v1/tasks/{task_id}/thumbnails/{width}", response_class=Response)
async def get_thumbnail(task_id: UUID, width: int, asked: AskedTaskDep) -> Response:
    """The picture as WebP of a width that the task's `result` names. Browsers keep it."""
    task = asked.found()
    if not task.status.terminal:
        raise TaskNotFinished
    if task.result is None or width not in task.result.thumbnails:
        raise NotFound("The task has no picture of this width.")
    try:
        data = await objects.get(task.result.thumbnail_key(width))
    except objects.ObjectStoreUnavailable as error:
        raise Unavailable from error
    if data is None:
        raise NotFound("The picture is no longer there.")
    return Response(data, media_type="image/webp", headers={"Cache-Control": KEPT})


handler = lambda_handler(app)
