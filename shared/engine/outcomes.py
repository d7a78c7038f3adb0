"""What an attempt may come to."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from shared.generators.port import GenerationFailed
from shared.models.stored_picture import StoredPicture


@dataclass(frozen=True, slots=True)
class Completed:
    """The picture is in the object store."""

    picture: StoredPicture


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no picture; `code` and `message` are shown to the task's owner."""

    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float = 0.0

    @classmethod
    def of(cls, failure: GenerationFailed) -> "Failed":
        return cls(
            failure.code,
            failure.message,
            failure.retryable,
            failure.retry_after_seconds or 0.0,
        )

    @property
    def error(self) -> dict[str, Any]:
        """What is kept with the task."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


class Interrupted(Enum):
    """The attempt ended without a failure of its own, for this reason."""

    LEASE_LOST = auto()
    CANCEL_REQUESTED = auto()
    WORKER_STOPS = auto()


Outcome = Completed | Failed | Interrupted

GENERATOR_FAILED = Failed("generator_error", "The generator failed.")
NOT_STORED = Failed("storage_unavailable", "The picture could not be stored.", retryable=True)
TIMED_OUT = Failed("timeout", "The task ran out of time.")
