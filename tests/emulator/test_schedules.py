import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lampwork.errors import ConfigurationError, TooManyEnvironments
from lampwork.events.schedule_expressions import Cron, Once, Rate, parse_expression
from lampwork.events.schedules import payload_of
from lampwork.stack.model import Function, Schedule, Stack
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.schedules import Schedules, check_overrides
from tests.emulator.fakes import FakeInvoker

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
TICK = Schedule("Tick", "local-Tick", "work", "rate(1 minute)")
NIGHTLY = Schedule("Nightly", "nightly", "work", "cron(0 3 * * ? *)", source="aws.scheduler")


def events_for(invoker: FakeInvoker) -> EventInvocations:
    functions = {n: Function(n, n, f"{n}.handler", Path()) for n in invoker.handlers}
    return EventInvocations(invoker, functions)


@asynccontextmanager
async def firing(*schedules: Schedule, work: Any, **overrides: float) -> AsyncIterator[Any]:
    invoker = FakeInvoker(work=work)
    events = events_for(invoker)
    firing = Schedules(events, overrides)
    await firing.start(Stack(functions={}, triggers=schedules))
    try:
        yield invoker
    finally:
        await firing.stop()
        await events.stop()


def next_firings(expression: str, count: int = 2, timezone: str = "UTC") -> list[str]:
    cron = parse_expression(expression, timezone)
    assert isinstance(cron, Cron)
    moments, moment = [], NOON
    for _ in range(count):
        following = cron.after(moment)
        assert following is not None
        moments.append(f"{following:%Y-%m-%d %H:%M}")
        moment = following
    return moments


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3600),
        ("rate(2 days)", 172800),
    ],
)
def test_a_rate_is_an_interval(expression, seconds):
    assert parse_expression(expression) == Rate(seconds)


@pytest.mark.parametrize(
    ("expression", "firings"),
    [
        ("cron(0 3 * * ? *)", ["2026-11-24 03:00", "2026-11-25 03:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-23 12:15", "2026-11-23 12:30"]),
        ("cron(5,35 14 * * ? *)", ["2026-11-23 14:05", "2026-11-23 14:35"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-23 18:00", "2026-11-24 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00", "2027-01-01 08:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30 00:00", "2026-12-31 00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-11-27 00:00", "2026-12-25 00:00"]),
        ("cron(0 0 ? * 2#1 *)", ["2026-12-07 00:00", "2027-01-04 00:00"]),
        ("cron(0 0 15W * ? *)", ["2026-12-15 00:00", "2027-01-15 00:00"]),
        ("cron(0 0 1W * ? 2027)", ["2027-01-01 00:00", "2027-02-01 00:00"]),
        ("cron(0 10 ? JAN,JUN L 2027-2028)", ["2027-01-02 10:00", "2027-01-09 10:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ],
)
def test_cron_fires_when_aws_says_it_does(expression, firings):
    assert next_firings(expression) == firings


def test_the_nearest_weekday_stays_in_its_month():
    # The 1st of August 2026 is a Saturday, the 31st of January 2027 a Sunday.
    assert next_firings("cron(0 0 31W 1 ? 2027)", 1) == ["2027-01-29 00:00"]
    assert next_firings("cron(0 0 1W 5 ? 2027)", 1) == ["2027-05-03 00:00"]


def test_cron_follows_its_time_zone_through_a_change_of_clocks():
    assert next_firings("cron(30 12 28 3,4 ? 2027)", 2, "Europe/Berlin") == [
        "2027-03-28 10:30",
        "2027-04-28 10:30",
    ]
    assert next_firings("cron(30 12 * * ? *)", 1, "Europe/Berlin") == ["2026-11-24 11:30"]


def test_cron_for_past_years_never_fires():
    assert parse_expression("cron(0 0 1 1 ? 2020)").after(NOON) is None  # type: ignore[union-attr]


def test_at_is_one_moment_in_its_time_zone():
    assert parse_expression("at(2030-01-31T12:00:00)", "Asia/Tokyo") == Once(
        datetime(2030, 1, 31, 3, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "expression",
    [
        "every minute",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(10 seconds)",
        "rate(1 minute",
        "cron(0 1 * * * *)",
        "cron(0 1 ? * ? *)",
        "cron(0 1 * * ?)",
        "cron(60 1 * * ? *)",
        "cron(0 1 * FOO ? *)",
        "cron(0/0 1 * * ? *)",
        "at(2030-01-31T12:00:00Z)",
    ],
)
def test_an_expression_aws_refuses_is_refused(expression):
    with pytest.raises(ValueError, match=r"\w"):
        parse_expression(expression)


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        parse_expression("cron(0 1 * * ? *)", "Mars/Olympus")


@pytest.mark.assertion(15)
def test_a_rule_sends_the_event_of_eventbridge():
    event = json.loads(payload_of(TICK, NOON))

    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-11-23T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/local-Tick"],
        "detail": {},
    }


@pytest.mark.assertion(15)
def test_a_scheduler_sends_its_own_event_whose_detail_is_a_string():
    event = json.loads(payload_of(NIGHTLY, NOON))

    assert event["source"] == "aws.scheduler"
    assert event["resources"] == [
        "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly"
    ]
    assert event["detail"] == "{}"


@pytest.mark.assertion(15)
def test_an_input_replaces_the_event():
    schedule = Schedule("A", "a", "work", "rate(1 minute)", input='{"deep": true}')

    assert payload_of(schedule, NOON) == b'{"deep": true}'


def test_a_path_or_a_transformer_changes_the_event():
    part = Schedule("A", "a", "work", "rate(1 minute)", input_path="$.resources[0]")
    transformer = {
        "InputPathsMap": {"at": "$.time"},
        "InputTemplate": '{"at": <at>, "rule": <aws.events.rule-arn>}',
    }
    made = Schedule("B", "b", "work", "rate(1 minute)", input_transformer=json.dumps(transformer))

    assert json.loads(payload_of(part, NOON)) == "arn:aws:events:us-east-1:000000000000:rule/a"
    assert json.loads(payload_of(made, NOON)) == {
        "at": "2026-11-23T12:00:00Z",
        "rule": "arn:aws:events:us-east-1:000000000000:rule/b",
    }


def test_a_schedulers_input_may_name_its_context():
    given = '{"at": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>",'
    given += ' "try": <aws.scheduler.attempt-number>, "other": "<aws.scheduler.unknown>"}'

    assert json.loads(payload_of(replace(NIGHTLY, input=given), NOON)) == {
        "at": "2026-11-23T12:00:00Z",
        "by": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly",
        "try": 1,
        "other": "<aws.scheduler.unknown>",
    }


async def test_a_rate_fires_at_once_and_after_each_interval():
    async with firing(TICK, work=lambda event: None, Tick=0.05) as invoker:
        await invoker.event("work", 3)


async def test_an_override_may_name_the_schedule_by_its_name_on_aws():
    async with firing(NIGHTLY, work=lambda event: None, nightly=0.05) as invoker:
        await invoker.event("work", 2)


def test_an_override_of_an_unknown_schedule_is_reported():
    with pytest.raises(
        ConfigurationError, match="names Tock, but the template's schedules are Tick"
    ):
        check_overrides({"Tock": 5}, [TICK])


async def test_cron_does_not_fire_at_the_start():
    async with firing(NIGHTLY, TICK, work=lambda event: None) as invoker:
        event = await invoker.event("work")
        await asyncio.sleep(0)

    assert [each["source"] for each in invoker.of("work")] == [event["source"]] == ["aws.events"]


async def test_a_schedule_fires_at_its_one_moment():
    moment = datetime.now(UTC) + timedelta(seconds=1)
    once = Schedule("Once", "once", "work", f"at({moment:%Y-%m-%dT%H:%M:%S})")
    gone = Schedule("Gone", "gone", "work", "at(2020-01-01T00:00:00)")

    async with firing(gone, once, work=lambda event: None) as invoker:
        await invoker.event("work")

    (event,) = invoker.of("work")
    assert event["resources"][0].endswith("rule/once")


async def test_a_schedule_fires_from_its_beginning_to_its_end():
    now = datetime.now(UTC)
    over = replace(TICK, logical_id="Over", name="over", ends=now - timedelta(seconds=1))
    later = replace(TICK, logical_id="Later", name="later", begins=now + timedelta(hours=1))
    soon = replace(TICK, logical_id="Soon", name="soon", begins=now + timedelta(seconds=0.3))

    async with firing(over, later, soon, work=lambda event: None) as invoker:
        event = await invoker.event("work")

    assert invoker.of("work") == [event]
    assert event["resources"][0].endswith("/soon")
    assert datetime.now(UTC) >= now + timedelta(seconds=0.3)


async def test_a_slow_function_is_never_run_twice_at_once():
    running, most = 0, 0

    async def work(event: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    async with firing(TICK, work=work, Tick=0.01) as invoker:
        await invoker.event("work", 3)

    assert most == 1


async def test_a_failure_is_reported_once_and_so_is_its_end(caplog):
    caplog.set_level("INFO", "lampwork")
    runs = 0

    def work(event: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            raise TooManyEnvironments("all are busy")
        if runs < 4:
            raise RuntimeError("no")

    async with firing(TICK, work=work, Tick=0.01) as invoker:
        await invoker.event("work", 5)

    assert [each.message for each in caplog.records] == ["schedule fails", "schedule works again"]
    assert caplog.records[0].reason == "RuntimeError: no"


async def test_an_update_leaves_the_rhythm_of_unchanged_schedules():
    invoker = FakeInvoker(work=lambda event: None, more=lambda event: None)
    schedules = Schedules(events_for(invoker), {})
    await schedules.start(Stack(functions={}, triggers=(TICK,)))
    await invoker.event("work")

    more = Schedule("More", "more", "more", "rate(1 minute)")
    await schedules.update(Stack(functions={}, triggers=(TICK, more)))
    await invoker.event("more")
    await schedules.update(Stack(functions={}))
    await schedules.stop()

    assert len(invoker.of("work")) == 1
