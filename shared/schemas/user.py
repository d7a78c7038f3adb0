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


class SubscriptionRead(ResponseBody):
    plan: Plan
    period_start: datetime
    period_end: datetime


class AccountRead(ResponseBody):
    user: UserRead
    profile: ProfileRead
    subscription: SubscriptionRead
