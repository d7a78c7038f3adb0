import calendar
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.user import Plan
from shared.plans import PLANS, Period, a_month_after


def day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def test_every_plan_has_limits():
    assert set(PLANS) == set(Plan)


def test_a_period_lasts_to_the_same_day_of_the_next_month():
    assert Period.beginning(day(2026, 1, 15)) == Period(day(2026, 1, 15), day(2026, 2, 15))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (day(2026, 1, 31), day(2026, 2, 28)),
        (day(2028, 1, 31), day(2028, 2, 29)),
        (day(2026, 12, 5), day(2027, 1, 5)),
    ],
)
def test_a_period_in_a_shorter_month_ends_on_its_last_day(start, end):
    assert a_month_after(start) == end


def test_the_end_of_a_period_belongs_to_the_next():
    period = Period.beginning(day(2026, 1, 15))

    assert period.at(day(2026, 2, 14)) is period
    assert period.at(day(2026, 2, 15)) == Period(day(2026, 2, 15), day(2026, 3, 15))


def test_unused_periods_are_skipped():
    period = Period.beginning(day(2025, 1, 15))

    assert period.at(day(2026, 3, 20)) == Period(day(2026, 3, 15), day(2026, 4, 15))


def test_a_period_returns_to_its_day_after_a_shorter_month():
    january = Period.beginning(day(2026, 1, 31))
    february = january.at(day(2026, 3, 1))

    assert february == Period(day(2026, 2, 28), day(2026, 3, 31))
    assert february.at(day(2026, 4, 1)) == Period(day(2026, 3, 31), day(2026, 4, 30))
    assert january.at(day(2028, 2, 29)) == Period(day(2028, 2, 29), day(2028, 3, 31))


def months_after(first: datetime, number: int) -> datetime:
    year, month = divmod(first.year * 12 + first.month - 1 + number, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return first.replace(year=year, month=month + 1, day=min(first.day, last_day))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.lists(st.integers(0, 40), max_size=20),
)
def test_however_late_it_is_renewed_each_period_begins_whole_months_after_the_first(first, late):
    period, month = Period.beginning(first), 0
    for months in late:
        month += months
        period = period.at(months_after(first, month))

        assert period == Period(months_after(first, month), months_after(first, month + 1))
