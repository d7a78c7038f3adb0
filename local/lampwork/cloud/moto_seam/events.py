"""moto's EventBridge."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventPattern, EventPatternParser, EventsBackend, Rule
from moto.events.responses import EventsHandler

from lampwork.cloud.moto_seam.backends import backend

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class ApiDestination:
    """A server that rules call. `auth` is the AuthParameters of its connection."""

    endpoint: str
    method: str
    auth: Mapping[str, Any]


def api_destination(region: str, name: str) -> ApiDestination:
    """An API destination with the secrets of its connection, which no request tells.

    Raises:
        ValueError: one of them is not here.
    """
    state = backend("events", region)
    found = state.destinations.get(name)
    if found is None:
        raise ValueError(f"there is no API destination {name} here")
    connection = found.connection_arn.partition(":connection/")[2].split("/")[0]
    if connection not in state.connections:
        raise ValueError(f"there is no connection {connection or found.connection_arn} here")
    auth = state.connections[connection].auth_parameters or {}
    return ApiDestination(found.invocation_endpoint, found.http_method, auth)


class Judge(Protocol):
    """Knows patterns. Both methods raise ValueError, with the reason, for a pattern that AWS would
    refuse."""

    def check(self, pattern: str) -> None: ...

    def matches(self, pattern: str, event: Any) -> bool:
        """Whether an event matches, given as a dictionary or in JSON.

        Raises:
            TypeError: the JSON is not an event.
        """
        ...


def send_to_targets(send: Callable[[Rule, dict[str, Any], dict[str, Any]], None]) -> None:
    """From now on, call `send` for each event that a rule matches, once for each target.

    `send` gets the rule, the target and the event.
    """

    def send_matched(rule: Rule, original_event: Any, transform_input: bool = True) -> None:
        # A rule that has only a schedule waits for no event.
        waits = rule.state == "ENABLED" and rule.event_pattern.dump() is not None
        if waits and rule.event_pattern.matches_event(original_event):
            for target in rule.targets:
                send(rule, target, original_event)

    kind: Any = Rule
    kind.send_to_targets = send_matched


def check_targets(problem: Callable[[Mapping[str, Any]], str | None]) -> None:
    """From now on, refuse targets in which `problem` finds one, with its words."""
    kind: Any = EventsBackend
    put = kind.put_targets

    def put_targets(
        state: EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        for target in targets:
            if found := problem(target):
                raise ValidationException(found)
        put(state, name, event_bus_arn, targets)

    kind.put_targets = put_targets


def judge_patterns(judge: Judge) -> None:
    """From now on, `judge` decides which patterns are valid and which events match them."""

    def parse(parser: EventPatternParser) -> dict[str, Any]:
        # A rule with a schedule has no pattern.
        if not parser.pattern:
            return {}
        try:
            judge.check(parser.pattern)
        except ValueError as error:
            raise InvalidEventPatternException(reason=str(error)) from error
        parsed: dict[str, Any] = json.loads(parser.pattern)
        return parsed

    def matches_event(pattern: EventPattern, event: Any) -> bool:
        text = pattern.dump()
        return text is None or judge.matches(text, event)

    def test_event_pattern(handler: EventsHandler) -> str:
        pattern, event = handler._get_param("EventPattern"), handler._get_param("Event")
        try:
            return json.dumps({"Result": judge.matches(pattern, event)})
        except ValueError as error:
            raise InvalidEventPatternException(reason=str(error)) from error
        except TypeError as error:
            raise ValidationException("Parameter Event is not valid.") from error

    parser: Any = EventPatternParser
    pattern: Any = EventPattern
    handler: Any = EventsHandler
    parser.parse = parse
    pattern.matches_event = matches_event
    handler.test_event_pattern = test_event_pattern
