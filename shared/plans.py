import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from shared.models.user import Plan


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What a plan allows: tasks accepted within a period of a month, tasks that wait or run at
    once, tasks that run at once, requests that wait for news at once, and the longest side of a
    picture in pixels. Its tasks stand `head_start_seconds` ahead of others that were created at the
    same time."""

    tasks_per_period: int
    tasks_at_once: int
    runs_at_once: int
    polls_at_once: int
    longest_side: int
    head_start_seconds: int


PLANS: Mapping[Plan, PlanLimits] = {
    Plan.FREE: PlanLimits(
        tasks_per_period=100,
        tasks_at_once=5,
        runs_at_once=2,
        polls_at_once=10,
        longest_side=1024,
        head_start_seconds=0,
    ),
    Plan.PRO: PlanLimits(
        tasks_per_period=2000,
        tasks_at_once=20,
        runs_at_once=5,
        polls_at_once=40,
        longest_side=2048,
        head_start_seconds=600,
    ),
}


@dataclass(frozen=True, slots=True)
class Period:
    """A month of a subscription. The instant `end` belongs to the next period.

    `anchor_day` is the day of the month on which the first of its periods began, if that is later
    than the day of `start`: a month that is too short for it must not move the months behind it.
    """

    start: datetime
    end: datetime
    anchor_day: int = field(default=1, compare=False)

    @classmethod
    def beginning(cls, start: datetime, anchor_day: int = 1) -> Self:
        return cls(start, a_month_after(start, anchor_day), anchor_day)

    def at(self, now: datetime) -> "Period":
        """This period, or the later one that contains `now`."""
        period, anchor_day = self, max(self.start.day, self.anchor_day)
        while period.end <= now:
            period = Period.beginning(period.end, anchor_day)
        return period


def a_month_after(start: datetime, anchor_day: int = 1) -> datetime:
    """The same time in the next month: on the day of `start` or on `anchor_day`, whichever is
    later, or else on that month's last day."""
    year, month = (start.year, start.month + 1) if start.month < 12 else (start.year + 1, 1)
    last_day = calendar.monthrange(year, month)[1]
    return start.replace(year=year, month=month, day=min(max(start.day, anchor_day), last_day))
