"""The parts of a stack that one command serves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from lampwork.errors import FunctionNotFound
from lampwork.event_targets import with_targets
from lampwork.function_names import by_any_name
from lampwork.model import Function, HttpRoute, Stack, WebSocketRoute

Route = TypeVar("Route", HttpRoute, WebSocketRoute)
Narrow = Callable[[Stack], Stack]

ALL_FUNCTIONS: Final = "Parameters"  # in `sam local`'s file of variables
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Debugged:
    """The one function that waits for a debugger at a port of this machine."""

    function: str
    port: int


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


def find(stack: Stack, name: str) -> Function:
    """A function by its logical id or its name; one of a nested stack also by the last part of its
    id, where no other has that.

    Raises:
        FunctionNotFound: there is none; the message names those there are.
    """
    if function := by_any_name(stack.functions).get(name):
        return function
    known = ", ".join(sorted(stack.functions)) or "none"
    raise FunctionNotFound(f"There is no function {name!r}; the template has {known}.")


def without_time_out(stack: Stack, name: str) -> Stack:
    """Let a function, and the gateways before it, take as long as a person at a debugger does."""
    function = find(stack, name)
    logical_id = function.logical_id
    return replace(
        stack,
        functions={**stack.functions, logical_id: replace(function, timeout_seconds=DAY_SECONDS)},
        http_apis=tuple(
            replace(api, routes=tuple(_patient(api.routes, logical_id))) for api in stack.http_apis
        ),
        rest_apis=tuple(
            replace(api, routes=tuple(_patient(api.routes, logical_id))) for api in stack.rest_apis
        ),
        function_urls=tuple(
            replace(url, timeout_seconds=DAY_SECONDS) if url.function == logical_id else url
            for url in stack.function_urls
        ),
        websocket_apis=tuple(
            replace(
                api,
                routes=dict(
                    zip(api.routes, _patient(api.routes.values(), logical_id), strict=True)
                ),
            )
            for api in stack.websocket_apis
        ),
    )


def with_variables(stack: Stack, variables: Mapping[str, Mapping[str, str]]) -> Stack:
    """Each function's own variables, by its logical id (also without the nested stacks that it is
    in) or its name, in place of the template's."""
    return replace(
        stack,
        functions={
            logical_id: replace(
                function,
                environment={
                    **function.environment,
                    **variables.get(ALL_FUNCTIONS, {}),
                    **variables.get(function.local_id, {}),
                    **variables.get(function.name, {}),
                    **variables.get(logical_id, {}),
                },
            )
            for logical_id, function in stack.functions.items()
        },
    )


def strangers(stack: Stack, variables: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Names for which variables are given and which no function has."""
    functions = stack.functions.values()
    names = {name for each in functions for name in (each.logical_id, each.local_id, each.name)}
    return sorted(variables.keys() - names - {ALL_FUNCTIONS})


def _patient(routes: Iterable[Route], logical_id: str) -> Iterable[Route]:
    for route in routes:
        mine = route.function == logical_id
        yield replace(route, timeout_seconds=DAY_SECONDS) if mine else route


def _emptied(stack: Stack, is_meant: Callable[[str], bool]) -> dict[str, Any]:
    """By their names, so that a kind of trigger yet to come is left out too."""
    return {field.name: () for field in fields(stack) if is_meant(field.name)}
