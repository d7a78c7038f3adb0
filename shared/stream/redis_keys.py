"""The names of a task's live status in Redis."""

from uuid import UUID


def latest_key(task_id: UUID) -> str:
    """The hash with a task's newest published state: `seq`, `payload` (JSON) and `user`."""
    return f"task:{{{task_id}}}:latest"


def channel(task_id: UUID) -> str:
    """Where a task's new states are published, as JSON."""
    return f"tasks:{task_id}"


# Where the id of a user is published whose open sockets must be reviewed.
REVIEWS = "ws:reviews"
