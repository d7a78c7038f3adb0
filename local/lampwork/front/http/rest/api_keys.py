"""API keys and usage plans.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from lampwork.clock import CLOCK
from lampwork.events.caller import Caller
from lampwork.front.http.rest_errors import (
    INVALID_API_KEY,
    QUOTA_EXCEEDED,
    THROTTLED,
    RestError,
)
from lampwork.http.request import Request
from lampwork.stack.model import RestApi
from lampwork.stack.rest_methods import ApiKey, UsagePlan

HEADER: Final = "x-api-key"


class UsagePlans:
    """Who may call the routes of one stage that need an API key, and how often."""

    def __init__(
        self,
        api: RestApi,
        *,
        clock: Callable[[], float] = CLOCK.monotonic,
        now: Callable[[], datetime] = CLOCK.now,
    ) -> None:
        self._from_authorizer = api.api_key_source == "AUTHORIZER"
        self._clock = clock
        self._now = now
        self._keys = {
            key.value: (key, _Usage(plan))
            for plan in reversed(api.usage_plans)
            for key in plan.keys
            if key.enabled
        }

    def admit(self, request: Request, caller: Caller | None) -> ApiKey | RestError:
        """The key of a request, whose use is counted then; an error where it may not pass."""
        if self._from_authorizer:
            value = caller.usage_key if caller else None
        else:
            value = request.header(HEADER)
        found = self._keys.get(value or "")
        if found is None:
            return INVALID_API_KEY
        key, usage = found
        return usage.refusal(self._clock(), self._now()) or key


@dataclass(slots=True)
class _Usage:
    """What one key has used of its plan. It is forgotten when Lampwork ends."""

    plan: UsagePlan
    tokens: float | None = None
    filled: float = 0
    period: datetime | None = None
    used: int = 0
    _burst: float = field(init=False)

    def __post_init__(self) -> None:
        rate = self.plan.rate
        self._burst = self.plan.burst if self.plan.burst is not None else max(rate or 0, 1)

    def refusal(self, clock: float, now: datetime) -> RestError | None:
        if self.plan.quota is not None and self._used_up(now, self.plan.quota):
            return QUOTA_EXCEEDED
        if self.plan.rate is not None and not self._take_token(clock, self.plan.rate):
            return THROTTLED
        self.used += 1
        return None

    def _used_up(self, now: datetime, quota: int) -> bool:
        period = _period(self.plan, now)
        if period != self.period:
            self.period, self.used = period, 0
        return self.used >= quota

    def _take_token(self, clock: float, rate: float) -> bool:
        """The token bucket: `burst` requests at once, and `rate` more each second.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
        """
        if self.tokens is None:
            self.tokens = self._burst
        else:
            self.tokens = min(self._burst, self.tokens + (clock - self.filled) * rate)
        self.filled = clock
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def _period(plan: UsagePlan, now: datetime) -> datetime:
    """When the period began in which a time lies: a day, a week from Sunday, or a month."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=plan.offset)
    match plan.period:
        case "DAY":
            return day
        case "WEEK":
            return day - timedelta(days=(day.weekday() + 1) % 7)
        case "MONTH":
            return day.replace(day=1)
