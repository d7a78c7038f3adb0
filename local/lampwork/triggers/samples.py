"""Events of a source as the emulator makes them, for `lampwork generate-event`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Service:
    """A service of AWS by the name that SAM has for it."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Option:
    """What a sample can be given: --`name`, which `make` takes under the same name.

    One that may be repeated is given to `make` as a sequence, under the name `multiple`.
    """

    name: str
    default: str | int | None = None
    about: str = ""
    flag: bool = False
    multiple: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """An event that one asks for by a service and its name. `make` takes the options by name.

    `make` raises UnfitOption when an option's value makes no event.
    """

    services: Sequence[Service]
    name: str
    about: str
    make: Callable[..., dict[str, Any]]
    options: Sequence[Option] = ()


class UnfitOption(Exception):
    """The value of an option makes no event; the text says why."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(reason)
        self.option = option


REGION: Final = Option("region", "us-east-1")
EVENTBRIDGE: Final = Service("eventbridge", "EventBridge's buses and schedules.")


def json_object(option: str, text: str) -> dict[str, Any]:
    """
    Raises:
        UnfitOption: the text is no JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnfitOption(option, f"{error}.") from error
    if not isinstance(value, dict):
        raise UnfitOption(option, "it must be a JSON object.")
    return value
