import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lampwork.clock import CLOCK
from lampwork.errors import ConfigurationError
from lampwork.events.schedule_expressions import Cron, Once, Rate, parse_expression
from lampwork.events.schedules import missing_function_attributes, payload_of
from lampwork.events.target_input import NoInput
from lampwork.invocation.cause import Cause
from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Schedule, Stack
from lampwork.template.resource import Template
from lampwork.template.triggers import read_schedules
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.samples import EVENTBRIDGE, REGION, Option, Sample, Service
from lampwork.triggers.source import RunningSource, Source, SourceContext

logger = logging.getLogger(__name__)

CLOUDWATCH: Final = Service("cloudwatch", "EventBridge's schedules, by SAM's name for them.")


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
            f" schedules are {', '.join(each.logical_id for each in schedules) or 'none'}."
        )


class ScheduleSource(Source):
    """Rules with a schedule, and schedules of EventBridge Scheduler."""

    trigger = Schedule
    samples = (
        Sample(
            (CLOUDWATCH, EVENTBRIDGE),
            "scheduled-event",
            "A schedule is due now.",
            make_scheduled_event,
            (
                Option("name", "MySchedule", also="rule"),
                REGION,
                Option("scheduler", flag=True, about="Of EventBridge Scheduler instead of a rule."),
            ),
        ),
    )

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Schedule]:
        return read_schedules(template, functions)

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        for each in stack.triggers_of(Schedule):
            yield "schedule", _interval(each, intervals), each.function

    def open(self, context: SourceContext) -> RunningSource:
        return Schedules(context.events, context.intervals, at_start=not context.testing)


class Schedules(RunningSource):
    """Fires schedules. A run that fails is tried again like any asynchronous invocation,
    independently of the next runs.

    `overrides` are intervals in seconds by a schedule's logical id or name; they replace its
    expression. With `at_start`, a rate() fires at once, too. Unlike on AWS, the runs of a schedule
    do not overlap: a firing that comes due during the previous run is skipped, so that the runs of
    a slow function do not pile up.
    """

    def __init__(
        self,
        events: EventInvocations,
        overrides: Mapping[str, float],
        *,
        at_start: bool = True,
    ) -> None:
        self._events = events
        self._at_start = at_start
        self._overrides = overrides
        self._tasks: dict[Schedule, asyncio.Task[None]] = {}
        self._due: dict[Schedule, datetime] = {}

    async def start(self, stack: Stack) -> None:
        await self.update(stack)

    async def stop(self) -> None:
        """Stop firing. Runs that have begun are not waited for."""
        await self._cancel(tuple(self._tasks))

    async def update(self, stack: Stack) -> None:
        """Go on with the stack's schedules. A schedule that has not changed keeps its rhythm."""
        schedules = stack.triggers_of(Schedule)
        await self._cancel([each for each in self._tasks if each not in schedules])
        for schedule in schedules:
            if schedule not in self._tasks:
                self._tasks[schedule] = asyncio.create_task(self._run(schedule))

    def next_firing(self, schedule: Schedule) -> datetime | None:
        """When a schedule is due next; None if that is not known, or never."""
        if schedule not in self._tasks or self._tasks[schedule].done():
            return None
        if schedule in self._due:
            return self._due[schedule]
        return schedule.begins

    async def fire(self, schedule: Schedule) -> str | None:
        """Fire now, beside the schedule's own rhythm. Returns why the first try failed, or None if
        it succeeded."""
        return await self._deliver(schedule, CLOCK.now())

    async def begin_anew(self) -> None:
        """Count the intervals from now on."""
        schedules = tuple(self._tasks)
        await self._cancel(schedules)
        for schedule in schedules:
            self._tasks[schedule] = asyncio.create_task(self._run(schedule))

    async def _cancel(self, schedules: Collection[Schedule]) -> None:
        tasks = [self._tasks.pop(schedule) for schedule in schedules]
        for schedule in schedules:
            self._due.pop(schedule, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, schedule: Schedule) -> None:
        failing = False
        if schedule.begins is not None:
            await CLOCK.sleep_until(schedule.begins)
        async for due in self._firings(schedule):
            if schedule.ends is not None and due > schedule.ends:
                return
            reason = await self._deliver(schedule, due)
            # The function's own log has each error. Log here only when failing begins and ends.
            if reason and not failing:
                logger.warning(
                    "schedule fails", extra={"schedule": schedule.logical_id, "reason": reason}
                )
            if failing and not reason:
                logger.info("schedule works again", extra={"schedule": schedule.logical_id})
            failing = bool(reason)

    async def _deliver(self, schedule: Schedule, due: datetime) -> str | None:
        """Invoke the function. Returns why the first try failed, or None if it succeeded."""
        try:
            payload = payload_of(schedule, due)
        except NoInput as error:
            return str(error)
        if self._events.knows(schedule.function):
            cause = Cause("schedule", schedule.name)
            return await self._events.submit(schedule.function, payload, cause=cause)
        if schedule.dead_letter:
            await self._events.outlet.send_dead_letter(
                schedule.dead_letter, payload.decode(), missing_function_attributes(schedule, due)
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
                start = CLOCK.monotonic()
                self._due[schedule] = _after(when.seconds, start)
                async for due in _every(when.seconds, start, at_start=self._at_start):
                    self._due[schedule] = _after(when.seconds, start)
                    yield due
            case Cron():
                while due_next := when.after(CLOCK.now()):
                    self._due[schedule] = due_next
                    await CLOCK.sleep_until(due_next)
                    yield due_next
            case Once() if when.at > CLOCK.now():
                self._due[schedule] = when.at
                await CLOCK.sleep_until(when.at)
                yield when.at


def _override(schedule: Schedule, seconds: Mapping[str, float]) -> float | None:
    return seconds.get(schedule.logical_id, seconds.get(schedule.name))


def _interval(schedule: Schedule, seconds: Mapping[str, float]) -> str:
    here = _override(schedule, seconds)
    return schedule.expression if here is None else f"{schedule.expression}, here {here:g} s"


def _after(seconds: float, start: float) -> datetime:
    """The end of the interval that runs now."""
    passed = CLOCK.monotonic() - start
    return CLOCK.now() + timedelta(seconds=seconds - passed % seconds)


async def _every(seconds: float, start: float, *, at_start: bool) -> AsyncIterator[datetime]:
    """Fire after each interval, and with `at_start` also now. Intervals that end while the caller
    is busy are skipped."""
    if at_start:
        yield CLOCK.now()
    while True:
        passed = CLOCK.monotonic() - start
        await CLOCK.sleep(seconds - passed % seconds)
        yield CLOCK.now()
