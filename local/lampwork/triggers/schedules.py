import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lampwork.errors import ConfigurationError
from lampwork.events.schedule_expressions import Cron, Once, Rate, parse_expression
from lampwork.events.schedules import no_function, payload_of
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Schedule, Stack
from lampwork.stack.ways_in import WayIn
from lampwork.template.resource import Template
from lampwork.template.triggers import read_schedules
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.samples import EVENTBRIDGE, REGION, Option, Sample, Service
from lampwork.triggers.source import Running, Source, Surroundings

logger = logging.getLogger(__name__)

# A sleep this long notices within it that the machine was suspended or its clock set.
LONGEST_SLEEP_SECONDS: Final = 30


CLOUDWATCH: Final = Service("cloudwatch", "EventBridge's schedules, by the name SAM has for them.")


def make_scheduled_event(*, name: str, region: str, scheduler: bool) -> dict[str, Any]:
    source = "aws.scheduler" if scheduler else "aws.events"
    schedule = Schedule(name, name, "Function", "rate(1 minute)", source=source, region=region)
    event: dict[str, Any] = json.loads(payload_of(schedule, datetime.now(UTC)))
    return event


def check_overrides(overrides: Collection[str], schedules: Collection[Schedule]) -> None:
    """
    Raises:
        ConfigurationError: an override names no schedule of the template.
    """
    known = {name for each in schedules for name in (each.logical_id, each.name)}
    if unknown := sorted(set(overrides) - known):
        raise ConfigurationError(
            f"[tool.lampwork.schedules] names {', '.join(unknown)}, but the template's"
            f" schedules are {', '.join(each.logical_id for each in schedules)}."
        )


class ScheduleSource(Source):
    """Rules with a schedule, and schedules of EventBridge Scheduler."""

    trigger = Schedule
    samples = (
        Sample(
            (CLOUDWATCH, EVENTBRIDGE),
            "scheduled-event",
            "A schedule that is due now.",
            make_scheduled_event,
            (
                Option("name", "MySchedule"),
                REGION,
                Option("scheduler", flag=True, about="Of EventBridge Scheduler instead of a rule."),
            ),
        ),
    )

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Schedule]:
        return read_schedules(template, functions)

    def ways_in(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[WayIn]:
        for each in stack.triggers_of(Schedule):
            yield "schedule", _interval(each, intervals), each.function

    def open(self, surroundings: Surroundings) -> Running:
        return Schedules(surroundings.events, surroundings.intervals)


class Schedules(Running):
    """Fires schedules. A rate() fires once at the start, and then after each interval. A run that
    fails is tried again as any event for a function is, beside the schedule's further runs.

    `overrides` are intervals in seconds by a schedule's logical id or name; they replace its
    expression. Unlike on AWS a schedule never overlaps itself: what comes due while its last run
    is under way is left out, so that a slow function at home is not run ever more times at once.
    """

    def __init__(
        self,
        events: EventInvocations,
        overrides: Mapping[str, float],
    ) -> None:
        self._events = events
        self._overrides = overrides
        self._tasks: dict[Schedule, asyncio.Task[None]] = {}

    async def start(self, stack: Stack) -> None:
        await self.update(stack)

    async def stop(self) -> None:
        """Fire no more; runs under way are no longer waited for."""
        await self._cancel(tuple(self._tasks))

    async def update(self, stack: Stack) -> None:
        """Go on with the stack's schedules. One that is the same as before keeps its rhythm."""
        schedules = stack.triggers_of(Schedule)
        await self._cancel([each for each in self._tasks if each not in schedules])
        for schedule in schedules:
            if schedule not in self._tasks:
                self._tasks[schedule] = asyncio.create_task(self._run(schedule))

    async def _cancel(self, schedules: Iterable[Schedule]) -> None:
        tasks = [self._tasks.pop(schedule) for schedule in schedules]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, schedule: Schedule) -> None:
        failing = False
        if schedule.begins is not None:
            await _until(schedule.begins)
        async for due in self._firings(schedule):
            if schedule.ends is not None and due > schedule.ends:
                return
            reason = await self._deliver(schedule, due)
            # The function's own log has each error; here only that it began, and that it is over.
            if reason and not failing:
                logger.warning(
                    "schedule fails", extra={"schedule": schedule.logical_id, "reason": reason}
                )
            if failing and not reason:
                logger.info("schedule works again", extra={"schedule": schedule.logical_id})
            failing = bool(reason)

    async def _deliver(self, schedule: Schedule, due: datetime) -> str | None:
        """Why its first try failed, None if it did not."""
        payload = payload_of(schedule, due)
        if self._events.knows(schedule.function):
            return await self._events.submit(schedule.function, payload)
        if schedule.dead_letter:
            await self._events.outlet.send_dead_letter(
                schedule.dead_letter, payload.decode(), no_function(schedule, due)
            )
        return f"there is no function {schedule.function}"

    async def _firings(self, schedule: Schedule) -> AsyncIterator[datetime]:
        seconds = _override(schedule, self._overrides)
        if seconds is not None:
            when: Rate | Cron | Once = Rate(seconds)
        else:
            when = parse_expression(schedule.expression, schedule.timezone)
        match when:
            case Rate():
                async for due in _every(when.seconds):
                    yield due
            case Cron():
                while due_next := when.after(datetime.now(UTC)):
                    await _until(due_next)
                    yield due_next
            case Once() if when.at > datetime.now(UTC):
                await _until(when.at)
                yield when.at


def _override(schedule: Schedule, seconds: Mapping[str, float]) -> float | None:
    return seconds.get(schedule.logical_id, seconds.get(schedule.name))


def _interval(schedule: Schedule, seconds: Mapping[str, float]) -> str:
    here = _override(schedule, seconds)
    return schedule.expression if here is None else f"{schedule.expression}, here {here:g} s"


async def _every(seconds: float) -> AsyncIterator[datetime]:
    """Now and after each interval; intervals that pass meanwhile are left out."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while True:
        yield datetime.now(UTC)
        passed = loop.time() - start
        await asyncio.sleep(seconds - passed % seconds)


async def _until(due: datetime) -> None:
    while (remaining := (due - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110 - a clock
        await asyncio.sleep(min(remaining, LONGEST_SLEEP_SECONDS))
