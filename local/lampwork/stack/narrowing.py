"""The parts of a stack that one command serves."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, Protocol

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.load_balancers import FunctionTarget, ListenerRule
from lampwork.stack.model import Stack

Narrow = Callable[[Stack], Stack]

Keeps = Callable[[str], bool]
"""Whether the function with this logical id or ARN is served."""


class Narrowable(Protocol):
    """Whatever invokes functions, and can be restricted to some of them."""

    def narrowed(self, stack: Stack, keeps: Keeps) -> Stack: ...


def everything(stack: Stack) -> Stack:
    return stack


def without_triggers(stack: Stack, sources: Iterable[Narrowable]) -> Stack:
    """The stack whose functions only requests invoke: no queue, schedule, topic or bucket does."""
    for source in sources:
        stack = source.narrowed(stack, lambda _: False)
    return stack


def without_authorizers(stack: Stack) -> Stack:
    """The stack whose routes everybody may call."""

    def opened(api: Any) -> Any:
        routes = (replace(route, authorizer=None, scopes=()) for route in api.routes)
        return replace(api, routes=tuple(routes))

    return replace(
        stack,
        http_apis=tuple(map(opened, stack.http_apis)),
        rest_apis=tuple(map(opened, stack.rest_apis)),
        websocket_apis=tuple(replace(api, authorizer=None) for api in stack.websocket_apis),
        function_urls=tuple(replace(url, authorizer=None) for url in stack.function_urls),
    )


def only_functions(stack: Stack, sources: Iterable[Narrowable]) -> Stack:
    """The stack whose functions only Lambda's Invoke API invokes."""
    left = without_triggers(stack, sources)
    return replace(
        left,
        http_apis=(),
        rest_apis=(),
        websocket_apis=(),
        function_urls=(),
        load_balancers=(),
    )


def select(stack: Stack, names: Collection[str], sources: Iterable[Narrowable]) -> Stack:
    """The stack with only these functions, and only the routes and triggers that lead to them.

    Raises:
        FunctionNotFound: the template has no such function.
    """
    known = FunctionNames(stack.functions)
    functions = {each.logical_id: each for each in map(known.get, names)}
    kept = FunctionNames(functions)
    for source in sources:
        stack = source.narrowed(stack, lambda name: kept.called(name) is not None)
    parts: dict[str, Any] = {
        field.name: tuple(left for each in value if (left := _part(each, functions)) is not None)
        for field in fields(stack)
        if field.name.endswith(("_apis", "_urls")) and (value := getattr(stack, field.name))
    }
    balancers = tuple(
        replace(each, rules=tuple(rule for rule in each.rules if _stays(rule, functions)))
        for each in stack.load_balancers
        if each.functions & functions.keys()
    )
    return replace(stack, functions=functions, load_balancers=balancers, **parts)


def _stays(rule: ListenerRule, only: Collection[str]) -> bool:
    return not isinstance(rule.action, FunctionTarget) or rule.action.function in only


def _part(part: Any, only: Collection[str]) -> Any:
    """A function URL, or an API, with only the routes to these functions; None if there are
    none."""
    if hasattr(part, "function"):
        return part if part.function in only else None
    if isinstance(part.routes, Mapping):
        left = {key: route for key, route in part.routes.items() if route.function in only}
        return replace(part, routes=left) if left else None
    found = tuple(route for route in part.routes if route.function in only)
    return replace(part, routes=found) if found else None
