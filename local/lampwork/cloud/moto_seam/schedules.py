"""The schedules in moto: rules of EventBridge with a schedule, and schedules of its Scheduler."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule
from moto.scheduler.models import Schedule

from lampwork.cloud.moto_seam.backends import backend, present


@dataclass(frozen=True, slots=True)
class Made:
    """A schedule that is enabled and has targets."""

    name: str
    arn: str
    region: str
    expression: str
    targets: list[dict[str, Any]]
    source: str
    timezone: str = "UTC"
    begins: datetime | None = None
    ends: datetime | None = None
    created: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    ends_with_deletion: bool = False
    group: str = "default"

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another schedule when it changes."""
        return self.arn, f"{self.expression} {self.timezone} {self.begins}"


def enabled() -> Iterator[Made]:
    for region, state in present("events"):
        for bus in list(state.event_buses.values()):
            for rule in list(bus.rules.values()):
                if rule.scheduled_expression and rule.state == "ENABLED" and rule.targets:
                    yield _of_rule(rule, region)
    for region, state in present("scheduler"):
        for group in list(state.schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                if schedule.state == "ENABLED":
                    yield _of_scheduler(schedule, region)


def delete(made: Made) -> None:
    """Delete a schedule of the Scheduler."""
    backend("scheduler", made.region).delete_schedule(made.group, made.name)


def _of_rule(rule: Rule, region: str) -> Made:
    return Made(
        name=rule.name,
        arn=rule.arn,
        region=region,
        expression=str(rule.scheduled_expression),
        targets=list(rule.targets),
        source="aws.events",
    )


def _of_scheduler(schedule: Schedule, region: str) -> Made:
    return Made(
        name=schedule.name,
        arn=schedule.arn,
        region=region,
        expression=schedule.schedule_expression,
        targets=[schedule.target],
        source="aws.scheduler",
        timezone=schedule.schedule_expression_timezone,
        begins=_moment(schedule.start_date),
        ends=_moment(schedule.end_date),
        created=datetime.fromtimestamp(schedule.creation_date, UTC),
        ends_with_deletion=schedule.action_after_completion == "DELETE",
        group=schedule.group_name,
    )


def _moment(given: Any) -> datetime | None:
    """A date of a request: seconds since 1970, or ISO 8601."""
    if given is None:
        return None
    if isinstance(given, datetime):
        return given if given.tzinfo else given.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(float(given), UTC)
    except ValueError:
        moment = datetime.fromisoformat(str(given))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
