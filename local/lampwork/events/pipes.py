"""What passes through a pipe of EventBridge: the events of a batch, and the inputs made of them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from lampwork.events.target_input import filled, value_at
from lampwork.json_text import parsed

PLACEHOLDER: Final = re.compile(r"<(\$[^<>]*|aws\.pipes\.[a-z.-]+)>")

Event = Mapping[str, Any]


def events_of(payload: bytes) -> list[Event]:
    """The events that a pipe makes of a batch of records: those of Kinesis are flat."""
    return [_flat(record) for record in json.loads(payload)["Records"]]


def transformed(template: str | None, event: Any, variables: Mapping[str, str]) -> Any:
    """The input that a template makes of an event; without a template, the event itself.

    `variables` are the reserved ones, without "aws.pipes.".
    """
    if template is None:
        return event
    decoded = _decoded(event)
    values: dict[str, Any] = {f"aws.pipes.{name}": value for name, value in variables.items()}
    values["aws.pipes.event"] = event
    values["aws.pipes.event.json"] = decoded
    for name in PLACEHOLDER.findall(template):
        if name.startswith("$"):
            values[name] = value_at(name, decoded)
    return json.loads(filled(template, values, PLACEHOLDER))


def resolved(parameter: str | None, event: Any) -> str | None:
    """A parameter of a target, which may be a path into the event."""
    if parameter is None or not parameter.startswith("$."):
        return parameter
    value = value_at(parameter, _decoded(event))
    return None if value is None else str(value)


def text_of(event: Any) -> str:
    """An event as a target that takes a text gets it."""
    return event if isinstance(event, str) else json.dumps(event)


def _flat(record: Event) -> Event:
    if "kinesis" not in record:
        return record
    rest = {name: value for name, value in record.items() if name != "kinesis"}
    return {**record["kinesis"], **rest}


def _decoded(event: Any) -> Any:
    """An event whose body or data is JSON, as paths see it."""
    if not isinstance(event, Mapping):
        return event
    if event.get("eventSource") == "aws:kinesis":
        return {**event, "data": _from_json(_plain(event["data"]), event["data"])}
    if isinstance(body := event.get("body"), str):
        return {**event, "body": _from_json(body, body)}
    return event


def _plain(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except binascii.Error:
        return b""


def _from_json(text: str | bytes, otherwise: str) -> Any:
    try:
        return parsed(text)
    except ValueError:
        return otherwise
