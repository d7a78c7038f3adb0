"""Finds misspelt types and properties of resources.

`property_names.txt` and `runtimes.txt` hold AWS's own names; `make property-names` writes them.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from lampwork.template.source.coverage import RUN
from lampwork.template.source.document import SAM, Document

NAMES_FILE: Final = "property_names.txt"
RUNTIMES_FILE: Final = "runtimes.txt"
SAM_PREFIX: Final = "AWS::Serverless::"
# How similar an unknown property must be to a known one to count as misspelt. AWS keeps adding
# properties: one that is newer than our table must not stop a template because of a resource that
# Lampwork does not even run.
ALIKE: Final = 0.6
VERY_MUCH_ALIKE: Final = 0.85


def check_spelling(document: Document) -> None:
    """Check what SAM does not check itself: its own types, and what CloudFormation defines.

    A name that resembles none of the known ones passes: AWS may have it by now.

    Raises:
        TemplateError: a type or a property seems to be misspelt; says in which line.
    """
    for logical_id, resource in document.resources.items():
        _check_type(document, logical_id, resource["Type"])
        _check_properties(document, logical_id, resource["Type"], resource.get("Properties") or {})


def _check_type(document: Document, logical_id: str, type: str) -> None:
    if type.startswith(SAM_PREFIX):
        _check_type_of_sam(document, logical_id, type)
    elif type.startswith("AWS::") and type not in _names():
        for known in _names():
            if _one_slip_apart(type, known):
                problem = f"CloudFormation has no resource type {type}; {known} may be meant."
                raise document.error(logical_id, problem)


def _check_type_of_sam(document: Document, logical_id: str, type: str) -> None:
    if type not in _names():
        known = [each for each in _names() if each.startswith(SAM_PREFIX)]
        meant = get_close_matches(type, known, 1)
        hint = f"; {meant[0]} may be meant" if meant else ""
        raise document.error(logical_id, f"SAM has no resource type {type}{hint}.")
    if not document.is_sam:
        raise document.error(
            logical_id, f"{logical_id} has a type of SAM: the template needs `Transform: {SAM}`."
        )


def _check_properties(
    document: Document, logical_id: str, type: str, properties: Mapping[str, object]
) -> None:
    known = property_names(type)
    alike = ALIKE if type in RUN else VERY_MUCH_ALIKE
    for name in properties:
        if known and name not in known and (meant := get_close_matches(name, known, 1, alike)):
            problem = f"{type} has no property {name}; {meant[0]} may be meant."
            raise document.error(logical_id, problem, name)


def property_names(type: str) -> list[str]:
    """The names of the properties of a type of CloudFormation; none where it is not known."""
    return _names().get(type, "").split()


@cache
def known_runtimes() -> tuple[str, ...]:
    """All runtimes that Lambda has or had, newest names included."""
    lines = Path(__file__).with_name(RUNTIMES_FILE).read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


@cache
def _names() -> Mapping[str, str]:
    """The properties of each type, in one text: a template needs those of ten types of 1,900."""
    lines = Path(__file__).with_name(NAMES_FILE).read_text(encoding="utf-8").splitlines()
    parts = (line.partition(" ") for line in lines if not line.startswith("#"))
    return {type: properties for type, _, properties in parts}


def _one_slip_apart(first: str, second: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are swapped.

    Types of one service resemble each other: a looser rule would take a new one for another.
    """
    if abs(len(first) - len(second)) > 1:
        return False
    start = _shared(first, second)
    first, second = first[start:], second[start:]
    end = _shared(first[::-1], second[::-1])
    first, second = first[: len(first) - end], second[: len(second) - end]
    return max(len(first), len(second)) <= 1 or (len(first) == 2 and first == second[::-1])


def _shared(first: str, second: str) -> int:
    """The length of the common beginning of two words."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
