import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Stack
from lampwork.triggers.source import Source

STATE_MACHINE: Final = "AWS::StepFunctions::StateMachine"
# The fields of a task that name a function.
FIELDS: Final = ("Resource", "FunctionName")


class StateMachineSource(Source):
    """State machines, which the embedded AWS runs: their tasks invoke functions by Lambda's API."""

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        functions = FunctionNames(stack.functions)
        for resource in stack.resources:
            if resource.type == STATE_MACHINE:
                named = _named(json.loads(resource.properties["DefinitionString"]))
                found = filter(None, map(functions.find, named))
                invoked = dict.fromkeys(function.logical_id for function in found)
                for leads_to in invoked or (resource.logical_id,):
                    yield "states", resource.name, leads_to


def _named(value: Any) -> Iterator[str]:
    """What the tasks in a part of a definition name, in their order."""
    if isinstance(value, list):
        for each in value:
            yield from _named(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in FIELDS and isinstance(each, str):
                yield each
            else:
                yield from _named(each)
