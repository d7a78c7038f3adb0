"""Judges event patterns in moto's EventBridge as AWS does; moto accepts many that AWS refuses."""

from typing import Any, Final

from lampwork.cloud.moto_seam import events
from lampwork.events.event_patterns.fields import Members, parse_json
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.events.target_input import rule_event

# What TestEventPattern requires of an event.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
REQUIRED: Final = frozenset({"id", "account", "source", "time", "region", "detail-type"})


class Patterns:
    """The judge of moto's event patterns. See `lampwork.cloud.moto_seam.events.Judge`."""

    def install(self) -> None:
        events.judge_patterns(self)

    def check(self, pattern: str) -> None:
        EventPattern.parse(pattern)

    def matches(self, pattern: str, event: Any) -> bool:
        parsed = EventPattern.parse(pattern)
        return parsed.matches(_event(event) if isinstance(event, str) else rule_event(event))


def _event(text: str) -> Members:
    try:
        event = parse_json(text)
    except ValueError as error:
        raise TypeError from error
    if not isinstance(event, Members) or not dict(event).keys() >= REQUIRED:
        raise TypeError
    return event
