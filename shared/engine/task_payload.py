from typing import Any

from shared.clock import iso
from shared.models.task import Task, TaskState
from shared.models.task_status import TaskStatus


def task_payload(task: Task | TaskState) -> dict[str, Any]:
    """A task's whole state as its owner sees it: the body of every answer, event and frame.

    Never holds an object's key, nor a presigned link, which would outlive its few minutes.
    """
    return {
        "task_id": str(task.id),
        "sequence": task.sequence,
        "status": task.status.value,
        "terminal": task.status.terminal,
        "progress": task.progress,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "cancel_requested": task.cancel_requested_at is not None,
        "prompt": task.prompt,
        "parameters": task.parameters,
        "error": task.error,
        "result": _result(task),
        "retry_at": iso(task.next_attempt_at) if _waits_for_retry(task) else None,
        "retry_of": str(task.retry_of) if task.retry_of else None,
        "request_id": task.request_id,
        "created_at": iso(task.created_at),
        "updated_at": iso(task.updated_at),
    }


def _result(task: Task | TaskState) -> dict[str, Any] | None:
    if task.result is None:
        return None
    return {
        "url": f"/api/v1/tasks/{task.id}/result",
        "content_type": task.result.content_type,
        "width": task.result.width,
        "height": task.result.height,
        "thumbnails": [
            {"width": width, "url": f"/api/v1/tasks/{task.id}/thumbnails/{width}"}
            for width in task.result.thumbnails
        ],
    }


def _waits_for_retry(task: Task | TaskState) -> bool:
    return task.status == TaskStatus.QUEUED and task.error is not None
