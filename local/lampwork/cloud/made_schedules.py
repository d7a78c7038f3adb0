"""Fires the schedules that are in moto: those that a program makes, and those of the template that
lead to no function. moto itself never fires any.

The emulator's own process fires the template's schedules of functions.
"""

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lampwork.cloud.moto_seam import schedules
from lampwork.cloud.targets import Targets
from lampwork.events.schedule_expressions import Once, Rate, parse_expression
from lampwork.events.schedules import payload_of
from lampwork.events.target_input import NoInput
from lampwork.stack.model import Schedule

LOOK_SECONDS: Final = 0.25


@dataclass(slots=True)
class Due:
    """When a schedule is due next; None if never again."""

    moment: datetime | None


@dataclass(slots=True)
class MadeSchedules:
    """Looks at moto's schedules again and again. As everywhere here, a rate() schedule fires once
    at the start, and then after each interval."""

    _targets: Targets
    _due: dict[tuple[str, str], Due] = field(default_factory=dict)

    def start(self) -> None:
        threading.Thread(target=self._run, name="schedules", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.fire(datetime.now(UTC))
            time.sleep(LOOK_SECONDS)

    def fire(self, now: datetime) -> None:
        """Fire what is due."""
        present = list(schedules.enabled())
        self._due = {each.key: self._due[each.key] for each in present if each.key in self._due}
        for made in present:
            due = self._due.setdefault(made.key, Due(_first(made, now)))
            if due.moment is None or due.moment > now:
                continue
            self._deliver(made, due.moment)
            due.moment = _next(made, due.moment, now)
            if due.moment is None and made.ends_with_deletion:
                schedules.delete(made)

    def _deliver(self, made: schedules.Made, due: datetime) -> None:
        if made.ends is None or due <= made.ends:
            for target in made.targets:
                with suppress(NoInput):  # AWS sends nothing then, and says nothing
                    text = payload_of(_described(made, target), due).decode()
                    self._targets.deliver(target, text, made.arn)


def _described(made: schedules.Made, target: dict[str, Any]) -> Schedule:
    transformer = target.get("InputTransformer")
    return Schedule(
        logical_id=made.name,
        name=made.name,
        function=target["Arn"],
        expression=made.expression,
        input=target.get("Input"),
        input_path=target.get("InputPath"),
        input_transformer=json.dumps(transformer) if transformer else None,
        source=made.source,
        timezone=made.timezone,
        region=made.region,
    )


def _first(made: schedules.Made, now: datetime) -> datetime | None:
    """When a schedule that has not been seen yet is due."""
    try:
        when = parse_expression(made.expression, made.timezone)
    except ValueError:
        return None
    begin = max(now, made.begins) if made.begins else now
    match when:
        case Rate():
            return begin
        case Once():
            return when.at if when.at >= made.created - timedelta(seconds=1) else None
        case _:
            return when.after(begin)


def _next(made: schedules.Made, last: datetime, now: datetime) -> datetime | None:
    when = parse_expression(made.expression, made.timezone)
    match when:
        case Rate(seconds):
            passed = (now - last).total_seconds() // seconds
            return last + timedelta(seconds=(passed + 1) * seconds)
        case Once():
            return None
        case _:
            return when.after(now)
