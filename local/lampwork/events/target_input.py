"""The input of an EventBridge target: a constant, the event, a part of it, or a transformation.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lampwork.json_text import parsed
from lampwork.timestamps import iso_seconds

# The services whose resources take events here, as they are named in ARNs. `scheduler` stands for
# calls of any API that the embedded AWS has: arn:aws:scheduler:::aws-sdk:sqs:sendMessage.
TARGET_SERVICES: Final = frozenset(
    {"events", "kinesis", "lambda", "logs", "scheduler", "sns", "sqs", "states"}
)
PLACEHOLDER: Final = re.compile(r"<([A-Za-z0-9_.-]+)>")
STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']+)'\]")


class NoInput(ValueError):
    """An input transformer makes no valid input of an event."""


def service_of(arn: str) -> str:
    """The service in an ARN; "" if it is none."""
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 else ""


def takes_events(arn: str) -> bool:
    """Whether a target's events go anywhere here, besides those of functions."""
    return service_of(arn) in TARGET_SERVICES - {"lambda"}


def rule_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as targets receive it. moto gives its time in seconds since 1970; targets get
    ISO 8601."""
    seen = {name: value for name, value in event.items() if name != "ingestion-time"}
    if isinstance(seen["time"], int | float):
        moment = datetime.fromtimestamp(seen["time"], UTC)
        seen["time"] = iso_seconds(moment)
    return seen


def input_of(
    target: Mapping[str, Any], event: Mapping[str, Any], *, rule_arn: str, rule_name: str
) -> str:
    """The text that a rule's target receives, in JSON.

    Raises:
        NoInput: the target's input transformer makes none of this event.
    """
    if (constant := target.get("Input")) is not None:
        return str(constant)
    if (path := target.get("InputPath")) is not None:
        return json.dumps(value_at(path, event))
    transformer = target.get("InputTransformer")
    if transformer is None:
        return json.dumps(event)
    values = {
        name: value_at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()
    }
    values["aws.events.rule-arn"] = rule_arn
    values["aws.events.rule-name"] = rule_name
    values["aws.events.event"] = _without_detail(event)
    values["aws.events.event.json"] = event
    values["aws.events.event.ingestion-time"] = event["time"]
    return filled(transformer["InputTemplate"], values)


def unknown_placeholder(transformer: Mapping[str, Any]) -> str | None:
    """A placeholder of an input transformer that is neither in its paths nor one of AWS's."""
    known = transformer.get("InputPathsMap") or {}
    for name in PLACEHOLDER.findall(str(transformer.get("InputTemplate", ""))):
        if name not in known and not name.startswith("aws.events."):
            return str(name)
    return None


def value_at(path: str, event: Any) -> Any:
    """The value at a JSON path such as $.detail.items[0]; None if there is none."""
    value = event
    for name, index, quoted in STEP.findall(path):
        try:
            value = value[int(index)] if index else value[name or quoted]
        except (IndexError, KeyError, TypeError):
            return None
    return value


def _without_detail(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as the variable aws.events.event holds it."""
    rest = {name: value for name, value in event.items() if name not in ("detail", "detail-type")}
    return {**rest, "detailType": event["detail-type"]} if "detail-type" in event else rest


def filled(
    template: str, values: Mapping[str, Any], placeholder: re.Pattern[str] = PLACEHOLDER
) -> str:
    """The template with its placeholders replaced by JSON values or, within quotes, by text.

    LocalStack recorded on AWS what comes of values that are missing, lists or objects:
    https://github.com/localstack/localstack/blob/main/tests/aws/services/events/test_events_inputs.py

    Raises:
        NoInput: a list or an object lies within quotes of a JSON template; AWS sends nothing then.
    """
    text, end = "", 0
    is_text = template.lstrip().startswith('"')
    for match in placeholder.finditer(template):
        text += template[end : match.start()]
        end = match.end()
        if match[1] not in values:
            text += match[0]
        elif _within_quotes(template[: match.start()]):
            text += _as_text(values[match[1]], in_json=not is_text)
        else:
            text += json.dumps(_or_empty(values[match[1]]))
    text += template[end:]
    # A template of several lines of text is sent as it is.
    return text if is_text or _is_json(text) else json.dumps(text)


def _within_quotes(text: str) -> bool:
    return len(re.findall(r'(?<!\\)"', text)) % 2 == 1


def _or_empty(value: Any) -> Any:
    """A placeholder that leads nowhere becomes an empty text."""
    return "" if value is None else value


def _as_text(value: Any, *, in_json: bool) -> str:
    if isinstance(value, list | dict):
        if in_json:
            raise NoInput(f"{json.dumps(value)} must not be within quotes")
        return json.dumps(value, separators=(",", ":")).replace('"', "")
    text = _or_empty(value)
    return json.dumps(text)[1:-1] if isinstance(text, str) else json.dumps(text)


def _is_json(text: str) -> bool:
    try:
        parsed(text)
    except ValueError:
        return False
    return True
