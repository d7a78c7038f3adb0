"""How a command's options change a stack's functions: their variables and their timeouts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from lampwork.errors import ConfigurationError
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Function, HttpRoute, Stack, WebSocketRoute

Route = TypeVar("Route", HttpRoute, WebSocketRoute)

# The key for all functions in the file of variables that `sam local` takes.
ALL_FUNCTIONS: Final = "Parameters"
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Debugged:
    """The function that waits for a debugger, and the port of this machine at which it waits. Its
    name is "" for the only function there is."""

    function: str
    port: int

    def find(self, functions: Mapping[str, Function]) -> Function:
        """
        Raises:
            FunctionNotFound: there is no such function.
            ConfigurationError: none is named, and there are several.
        """
        if self.function or len(functions) == 1:
            return FunctionNames(functions).get(self.function or next(iter(functions)))
        raise ConfigurationError(
            "--debug-port needs --debug NAME, the function to debug:"
            f" {', '.join(sorted(functions)) or 'there is none'}."
        )


def without_time_out(stack: Stack, debugged: Debugged) -> Stack:
    """Give a function, and the gateways that invoke it, a timeout of a day: a person at a debugger
    takes their time."""
    function = debugged.find(stack.functions)
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
    """Set single functions' variables, which win over the template's. A function is named by its
    name or its logical id; in a nested stack also by the last part of its logical id."""
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


def with_values_of(stack: Stack, environment: Mapping[str, str]) -> Stack:
    """Replace the values of the functions' variables by those that an environment has for them."""
    return replace(
        stack,
        functions={
            logical_id: replace(
                function,
                environment={
                    name: environment.get(name, value)
                    for name, value in function.environment.items()
                },
            )
            for logical_id, function in stack.functions.items()
        },
    )


def unknown_names(stack: Stack, variables: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The names in `variables` that no function has."""
    functions = stack.functions.values()
    names = {name for each in functions for name in (each.logical_id, each.local_id, each.name)}
    return sorted(variables.keys() - names - {ALL_FUNCTIONS})


def _patient(routes: Iterable[Route], logical_id: str) -> Iterable[Route]:
    for route in routes:
        mine = route.function == logical_id
        yield replace(route, timeout_seconds=DAY_SECONDS) if mine else route
