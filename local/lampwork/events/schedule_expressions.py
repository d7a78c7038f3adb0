"""The schedule expressions rate(), cron() and at().

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNIT_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS: Final = [
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
]
WEEKDAYS: Final = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
# 29 February falls on a given weekday at least once in 40 years.
DAYS_LOOKED_AT: Final = 41 * 366


@dataclass(frozen=True, slots=True)
class Rate:
    seconds: float


@dataclass(frozen=True, slots=True)
class Once:
    at: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    falls_on: Callable[[date], bool]
    timezone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        """The first firing after `moment`, in UTC; None if there is none. `moment` may be in any
        time zone."""
        local = moment.astimezone(self.timezone)
        for days in range(DAYS_LOOKED_AT):
            day = local.date() + timedelta(days=days)
            for firing in self._on(day):
                if firing > moment:
                    return firing
        return None

    def _on(self, day: date) -> Iterator[datetime]:
        if day.year in self.years and day.month in self.months and self.falls_on(day):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    local = datetime(day.year, day.month, day.day, hour, minute)
                    yield local.replace(tzinfo=self.timezone).astimezone(UTC)


def parse_expression(expression: str, timezone: str = "UTC") -> Rate | Cron | Once:
    """Read a schedule expression as EventBridge does.

    Raises:
        ValueError: AWS would refuse it; the text says what is wrong.
    """
    kind, _, rest = expression.partition("(")
    argument = rest.removesuffix(")")
    if not rest.endswith(")") or kind not in ("rate", "cron", "at"):
        raise ValueError(
            f"{expression!r} is not a schedule expression; write rate(5 minutes),"
            " cron(0 3 * * ? *) or at(2030-01-31T12:00:00)."
        )
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {timezone!r}.") from error
    match kind:
        case "rate":
            return _rate(expression, argument)
        case "cron":
            return _cron(argument, zone)
    return _once(argument, zone)


def _rate(expression: str, argument: str) -> Rate:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)(s?)", argument)
    if match is None or (match[1] == "1") == bool(match[3]):
        raise ValueError(
            f"{expression!r} is not valid; write rate(1 minute), rate(5 minutes), rate(1 hour)…"
        )
    return Rate(int(match[1]) * UNIT_SECONDS[match[2]])


def _once(argument: str, timezone: ZoneInfo) -> Once:
    try:
        local = datetime.strptime(argument, "%Y-%m-%dT%H:%M:%S")
    except ValueError as error:
        raise ValueError(f"at({argument}) must be like at(2030-01-31T12:00:00).") from error
    return Once(local.replace(tzinfo=timezone).astimezone(UTC))


def _cron(argument: str, timezone: ZoneInfo) -> Cron:
    fields = argument.upper().split()
    if len(fields) != 6:
        raise ValueError(
            f"cron({argument}) has {len(fields)} fields; it takes six: minutes, hours,"
            " day of month, month, day of week, year."
        )
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):
        raise ValueError(
            f"cron({argument}): either day of month or day of week must be ?, but not both."
        )
    return Cron(
        minutes=_numbers("minutes", minutes, 0, 59),
        hours=_numbers("hours", hours, 0, 23),
        months=_numbers("month", months, 1, 12, MONTHS),
        years=_numbers("year", years, FIRST_YEAR, LAST_YEAR),
        falls_on=_day_of_month(days) if weekdays == "?" else _day_of_week(weekdays),
        timezone=timezone,
    )


def _numbers(
    name: str, field: str, first: int, last: int, words: list[str] | None = None
) -> frozenset[int]:
    """The numbers that a field means: `*`, lists, ranges and steps. The first of `words` means
    `first`, the second the next number, and so on."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        if slash and not (step.isdigit() and int(step)):
            raise ValueError(f"{name} {part!r}: a number above 0 must follow the slash.")
        if span == "*":
            start, end = first, last
        else:
            start = _number(name, low, first, last, words)
            end = _number(name, high, first, last, words) if dash else (last if slash else start)
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(name: str, text: str, first: int, last: int, words: list[str] | None) -> int:
    number = words.index(text) + first if words and text in words else text
    if not str(number).isdigit() or not first <= int(number) <= last:
        raise ValueError(f"{name} {text!r} must be from {first} to {last}.")
    return int(number)


def _day_of_month(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == _last(day)
    if nearest := re.fullmatch(r"(\d+)W", field):
        wanted = _number("day of month", nearest[1], 1, 31, None)
        return lambda day: day.day == _nearest_weekday(day, wanted)
    days = _numbers("day of month", field, 1, 31)
    return lambda day: day.day in days


def _day_of_week(field: str) -> Callable[[date], bool]:
    if last := re.fullmatch(r"(\w+?)L", field):
        wanted = _number("day of week", last[1], 1, 7, WEEKDAYS)
        return lambda day: _weekday(day) == wanted and day.day > _last(day) - 7
    if field == "L":
        return lambda day: _weekday(day) == len(WEEKDAYS)
    if nth := re.fullmatch(r"(\w+)#([1-5])", field):
        wanted, week = _number("day of week", nth[1], 1, 7, WEEKDAYS), int(nth[2])
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == week
    days = _numbers("day of week", field, 1, 7, WEEKDAYS)
    return lambda day: _weekday(day) in days


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _nearest_weekday(day: date, wanted: int) -> int:
    """The weekday, Monday to Friday, nearest to the wanted day in the same month; 0 if the month
    has no such day."""
    if wanted > _last(day):
        return 0
    match day.replace(day=wanted).isoweekday():
        case 6:
            return wanted - 1 if wanted > 1 else wanted + 2
        case 7:
            return wanted + 1 if wanted < _last(day) else wanted - 2
        case _:
            return wanted
