from datetime import UTC, datetime
from typing import ClassVar

from lampwork.console.asking import Ask, Done, Refused, address
from lampwork.console.html import Content, Html, e, live, table
from lampwork.console.layout import hidden
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.stack.model import Schedule
from lampwork.triggers.schedules import Schedules as RunningSchedules


class Schedules(Room):
    """The template's schedules: when each fires next, and a button that fires it now."""

    name: ClassVar[str] = "schedules"
    title: ClassVar[str] = "Schedules"
    group: ClassVar[str] = "Running"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        running = self._running
        rows = [
            (
                each.logical_id,
                e("code", self._expression(each)),
                _next(running.next_firing(each) if running else None),
                each.function,
                _fire(each),
            )
            for each in self._schedules()
        ]
        if not rows:
            return e("p", "The template has no schedule of a function.", class_="empty")
        heads = ("Schedule", "Fires at", "Next", "Function", "Action")
        return live("schedules", table("Schedules", heads, rows))

    async def act(self, ask: Ask) -> Done:
        name = ask.text("schedule")
        found = next((each for each in self._schedules() if each.logical_id == name), None)
        if found is None or self._running is None:
            raise Refused(f"No schedule {name!r} runs.")
        failure = await self._running.fire(found)
        text = f"Fired {name}." if failure is None else f"Fired {name}. It failed: {failure}"
        return Done(text, address(self.name))

    @property
    def _running(self) -> RunningSchedules | None:
        return self._subject.running().running(RunningSchedules)

    def _schedules(self) -> tuple[Schedule, ...]:
        return self._subject.stack().triggers_of(Schedule)

    def _expression(self, schedule: Schedule) -> str:
        here = self._subject.intervals()
        seconds = here.get(schedule.logical_id, here.get(schedule.name))
        zone = "" if schedule.timezone == "UTC" else f" {schedule.timezone}"
        changed = "" if seconds is None else f", here every {seconds:g} s"
        return f"{schedule.expression}{zone}{changed}"


def _next(due: datetime | None) -> Content:
    if due is None:
        return "—"
    return e("time", f"{due:%Y-%m-%d %H:%M:%S} UTC{_left(due)}", datetime=due.isoformat())


def _left(due: datetime) -> str:
    """How long until then, in the largest whole unit."""
    seconds = (due - datetime.now(UTC)).total_seconds()
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f", in {seconds // unit:.0f} {name}"
    return ""


def _fire(schedule: Schedule) -> Html:
    return e(
        "form",
        hidden(do="fire", schedule=schedule.logical_id),
        e("button", "Run now", aria_label=f"Run {schedule.logical_id} now"),
        method="post",
        action=address("schedules"),
    )
