"""moto's EventBridge."""

from collections.abc import Callable
from typing import Any

from moto.events.models import Rule

from lampwork.cloud.moto_seam.backends import backend

__all__ = ["Rule"]


def put_event(region: str, entry: dict[str, Any]) -> None:
    backend("events", region).put_events([entry])


def send_to_targets(send: Callable[[Rule, dict[str, Any], dict[str, Any]], None]) -> None:
    """From now on, call `send` for each event that a rule matches, once for each target.

    `send` gets the rule, the target and the event.
    """

    def send_matched(rule: Rule, original_event: Any, transform_input: bool = True) -> None:
        if rule.state == "ENABLED" and rule.event_pattern.matches_event(original_event):
            for target in rule.targets:
                send(rule, target, original_event)

    kind: Any = Rule
    kind.send_to_targets = send_matched
