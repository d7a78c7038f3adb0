from enum import StrEnum


class TaskStatus(StrEnum):
    """Where a task is in its life. A task never leaves one of the last four."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in UNFINISHED


UNFINISHED = (TaskStatus.QUEUED, TaskStatus.PROCESSING)
