from enum import StrEnum


class Ending(StrEnum):
    """Why a socket is closed before its task has ended: the `code` of the last frame it gets."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, no token
    SESSION_REVOKED = "session_revoked"
    TASK_NOT_FOUND = "task_not_found"

    @property
    def message(self) -> str:
        return MESSAGES[self]


MESSAGES = {
    Ending.TOKEN_EXPIRED: "The access token has expired; connect again with a new one.",
    Ending.SESSION_REVOKED: "The session has ended.",
    Ending.TASK_NOT_FOUND: "The task was deleted.",
}
