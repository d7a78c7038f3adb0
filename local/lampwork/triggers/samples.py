"""Sample events of the sources, for `lampwork generate-event`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Service:
    """An AWS service, by the name that SAM gives it."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a sample, --`name`. `make` takes its value as an argument of the same name.

    If the option may be repeated, `make` takes its values as a sequence, in the argument that
    `multiple` names. `also` is another spelling, SAM's.
    """

    name: str
    default: str | int | None = None
    about: str = ""
    flag: bool = False
    multiple: str | None = None
    also: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample event, found by its service and its name.

    `make` builds it from the options, which it takes as keyword arguments; it raises UnfitOption if
    a value is not valid.
    """

    services: Sequence[Service]
    name: str
    about: str
    make: Callable[..., dict[str, Any]]
    options: Sequence[Option] = ()


class UnfitOption(Exception):
    """The value of an option is not valid; the text says why."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(reason)
        self.option = option


REGION: Final = Option("region", "us-east-1")
EVENTBRIDGE: Final = Service("eventbridge", "EventBridge: buses and schedules.")


def json_object(option: str, text: str) -> dict[str, Any]:
    """
    Raises:
        UnfitOption: the text is not a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnfitOption(option, f"{error}.") from error
    if not isinstance(value, dict):
        raise UnfitOption(option, "it must be a JSON object.")
    return value
