"""What becomes of each property of the resource types that Lampwork runs.

properties.toml has them all; docs/emulator/properties.md shows it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("properties.toml")
UNKNOWN: Final = "Lampwork does not know this property"
EVERYWHERE: Final = "everywhere"


@dataclass(frozen=True, slots=True)
class TypeCoverage:
    """The properties of one type: those that are read, those that have no effect at home and those
    that are not emulated, both with the reason. `becomes` are those of which SAM makes resources.
    """

    read: frozenset[str]
    becomes: frozenset[str]
    without_effect: Mapping[str, str]
    named: Mapping[str, str]

    def lack(self, property: str) -> str | None:
        """Why a property that a template sets should be named; None where it need not."""
        if property in self.read or property in self.becomes or property in self.without_effect:
            return None
        return self.named.get(property, UNKNOWN)


def coverage() -> Mapping[str, TypeCoverage]:
    """By type."""
    types = tomllib.loads(FILE.read_text(encoding="utf-8"))
    types.pop(EVERYWHERE)
    return {type: _coverage(lists) for type, lists in types.items()}


@cache
def coverage_of(type: str) -> TypeCoverage | None:
    """None for a type that Lampwork does not run.

    A template has few types, and to parse all takes a twentieth of a start.
    """
    section = _sections().get(f'["{type}"]')
    return None if section is None else _coverage(tomllib.loads(section)[type])


def _coverage(lists: Mapping[str, Any]) -> TypeCoverage:
    return TypeCoverage(
        read=frozenset(lists.get("read", ())),
        becomes=frozenset(lists.get("becomes", ())),
        without_effect={**_without_effect_everywhere(), **lists.get("without_effect", {})},
        named=lists.get("named", {}),
    )


@cache
def _without_effect_everywhere() -> dict[str, str]:
    reasons: dict[str, str] = tomllib.loads(_sections()[f"[{EVERYWHERE}.without_effect]"])[
        EVERYWHERE
    ]["without_effect"]
    return reasons


@cache
def _sections() -> Mapping[str, str]:
    """The text of each type, by its first line. An empty line ends it."""
    sections = FILE.read_text(encoding="utf-8").split("\n\n")
    return {section.partition("\n")[0]: section for section in sections}


def is_off(value: object) -> bool:
    """Whether a value of a property asks for nothing."""
    if isinstance(value, Mapping):
        return all(map(is_off, value.values()))
    if isinstance(value, str):
        return value.lower() in ("", "false", "none", "disabled", "off")
    return value is None or value is False or value == []
