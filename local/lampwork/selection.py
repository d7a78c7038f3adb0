from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from lampwork.event_targets import with_targets
from lampwork.model import Stack
from lampwork.scope import find
from lampwork.template.functions import FunctionNames


def select(stack: Stack, names: Collection[str]) -> Stack:
    """The stack with these functions alone, and of its APIs and triggers what leads to them.

    Raises:
        FunctionNotFound: the template has no such function.
    """
    functions = {each.logical_id: each for each in (find(stack, name) for name in names)}
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
