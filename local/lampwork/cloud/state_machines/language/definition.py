"""What AWS refuses of a definition in Amazon States Language, in AWS's words.

The interpreter's parser finds further mistakes, but tells them as places in its grammar.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

TYPES: Final = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")
WRONG_TYPE: Final = f"The field 'Type' should have one of these values: [{', '.join(TYPES)}]"
ENDS: Final = ("Succeed", "Fail")
SCHEMA: Final = "SCHEMA_VALIDATION_FAILED"
TARGET: Final = "MISSING_TRANSITION_TARGET"

State = Mapping[str, Any]
Transition = tuple[str, object]
"""Where a definition names a state, and the name."""


def problems(definition: str) -> list[str]:
    """What is wrong, each with its code and its place; empty if nothing of this is."""
    try:
        content = json.loads(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    if not isinstance(content, dict):
        return ["INVALID_JSON_DESCRIPTION: the definition must be an object"]
    return list(_of_states(content, ""))


def _of_states(content: State, place: str) -> Iterator[str]:
    missing = [name for name in ("StartAt", "States") if name not in content]
    states = content.get("States")
    if missing or not isinstance(states, dict):
        wanted = ", ".join(missing) or "States"
        yield f"{SCHEMA}: These fields are required: [{wanted}] at {place or '/'}"
        return
    reached: set[object] = set()
    for where, name in _transitions(content, states, place):
        reached.add(name)
        if name not in states:
            yield f"{TARGET}: Missing 'Next' target: {name} at {where}"
    has_end = any(_ends(each) for each in states.values())
    for name, state in states.items():
        here = f"{place}/States/{name}"
        if not isinstance(state, dict) or state.get("Type") not in TYPES:
            yield f"{SCHEMA}: {WRONG_TYPE} at {here}/Type"
            continue
        if has_end and name not in reached:
            yield f'{TARGET}: State "{name}" is not reachable. at {here}'
        yield from _of_inner(state, here)
    if not has_end:
        yield "MISSING_END_STATE: Workflow has no terminal state"


def _transitions(content: State, states: State, place: str) -> Iterator[Transition]:
    yield f"{place}/StartAt", content["StartAt"]
    for name, state in states.items():
        if not isinstance(state, dict):
            continue
        here = f"{place}/States/{name}"
        for field in ("Next", "Default"):
            if field in state:
                yield f"{here}/{field}", state[field]
        for field in ("Catch", "Choices"):
            listed = state.get(field)
            for index, each in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(each, dict) and "Next" in each:
                    yield f"{here}/{field}[{index}]/Next", each["Next"]


def _of_inner(state: State, here: str) -> Iterator[str]:
    """The problems of the states inside a Map or a Parallel."""
    for field in ("ItemProcessor", "Iterator"):
        if isinstance(inner := state.get(field), dict):
            yield from _of_states(inner, f"{here}/{field}")
    branches = state.get("Branches")
    for index, branch in enumerate(branches if isinstance(branches, list) else ()):
        if isinstance(branch, dict):
            yield from _of_states(branch, f"{here}/Branches[{index}]")


def _ends(state: object) -> bool:
    return isinstance(state, dict) and (state.get("Type") in ENDS or bool(state.get("End")))
