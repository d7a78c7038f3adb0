from enum import StrEnum


class Scope(StrEnum):
    """What an API key may be allowed. Whatever none of these names needs a sign-in."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    ACCOUNT_READ = "account:read"
