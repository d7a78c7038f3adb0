"""The parts of a stack that one command serves."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from lampwork.stack.event_targets import with_targets
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Stack

Narrow = Callable[[Stack], Stack]


def everything(stack: Stack) -> Stack:
    return stack


def without_triggers(stack: Stack) -> Stack:
    """Functions wait to be asked: no queue, schedule, topic or bucket wakes them up."""
    emptied = _emptied(stack, lambda name: name.endswith(("triggers", "schedules")))
    resources = (
        with_targets(each, lambda arn: ":function:" not in arn) for each in stack.resources
    )
    return replace(stack, resources=tuple(filter(None, resources)), **emptied)


def only_functions(stack: Stack) -> Stack:
    """Functions answer to Lambda's Invoke API alone."""
    return replace(
        without_triggers(stack), **_emptied(stack, lambda name: name.endswith(("_apis", "_urls")))
    )


def _emptied(stack: Stack, is_meant: Callable[[str], bool]) -> dict[str, Any]:
    """By their names, so that a kind of trigger yet to come is left out too."""
    return {field.name: () for field in fields(stack) if is_meant(field.name)}


def select(stack: Stack, names: Collection[str]) -> Stack:
    """The stack with these functions alone, and of its APIs and triggers what leads to them.

    Raises:
        FunctionNotFound: the template has no such function.
    """
    known = FunctionNames(stack.functions)
    functions = {each.logical_id: each for each in map(known.get, names)}
    parts = {
        field.name: tuple(kept for each in value if (kept := _part(each, functions)) is not None)
        for field in fields(stack)
        if isinstance(value := getattr(stack, field.name), tuple)
    }
    kept = FunctionNames(functions)
    resources = (
        with_targets(each, lambda arn: ":function:" not in arn or kept.find(arn) is not None)
        for each in stack.resources
    )
    parts["resources"] = tuple(filter(None, resources))
    return replace(stack, functions=functions, **parts)


def _part(part: Any, only: Collection[str]) -> Any:
    """An API with the routes that are left, or None where nothing is."""
    if hasattr(part, "function"):
        return part if part.function in only else None
    routes = getattr(part, "routes", None)
    if isinstance(routes, Mapping):
        left = {key: route for key, route in routes.items() if route.function in only}
        return replace(part, routes=left) if left else None
    if isinstance(routes, tuple):
        found = tuple(route for route in routes if route.function in only)
        return replace(part, routes=found) if found else None
    return part
