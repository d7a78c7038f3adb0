from enum import StrEnum


class TaskStatus(StrEnum):
    """Where a task is in its life; the last four are terminal and never left."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in (TaskStatus.QUEUED, TaskStatus.PROCESSING)
