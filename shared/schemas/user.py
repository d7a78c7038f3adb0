from datetime import datetime
from uuid import UUID

from shared.models.user import Plan, UserStatus
from shared.schemas.base import ResponseBody


class UserRead(ResponseBody):
    id: UUID
    email: str
    status: UserStatus
    created_at: datetime


class ProfileRead(ResponseBody):
    display_name: str | None
    locale: str | None


class LimitsRead(ResponseBody):
    """What the plan allows; the longest side of a picture is in pixels."""

    tasks_per_period: int
    tasks_at_once: int
    runs_at_once: int
    polls_at_once: int
    longest_side: int
    head_start_seconds: int


class UsageRead(ResponseBody):
    """Tasks accepted in this period, and those that wait or run now."""

    tasks: int
    at_once: int


class SubscriptionRead(ResponseBody):
    plan: Plan
    period_start: datetime
    period_end: datetime
    limits: LimitsRead
    usage: UsageRead


class AccountRead(ResponseBody):
    user: UserRead
    profile: ProfileRead
    subscription: SubscriptionRead
