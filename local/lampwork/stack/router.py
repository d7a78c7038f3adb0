"""Finds the route of an HTTP or REST API that serves a request."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from lampwork.stack.model import HttpRoute

PARAMETER = re.compile(r"\{([^{}+]+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Match:
    route: HttpRoute
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled path with `{parameters}`. A `{greedy+}` parameter at the end matches the rest.

    With `decodes`, what the parameters match is URL-decoded.
    """

    names: tuple[str, ...]
    regex: re.Pattern[str]
    decodes: bool = True

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters; None if the path does not match."""
        found = self.regex.fullmatch(path)
        if found is None:
            return None
        values = map(unquote, found.groups()) if self.decodes else found.groups()
        return dict(zip(self.names, values, strict=True))


class Router:
    """Tries routes from the most specific to the least: full paths before greedy ones, static
    segments before parameters, a method before ANY, and `$default` last.

    HTTP APIs decode path parameters and REST APIs do not (`decodes`; hotsock/voker,
    vokerhttp/testdata).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """

    def __init__(self, routes: Iterable[HttpRoute], *, decodes: bool = True) -> None:
        self._decodes = decodes
        self._static: dict[tuple[str, str], HttpRoute] = {}
        self._patterns: list[tuple[HttpRoute, Pattern]] = []
        self._default: HttpRoute | None = None
        for route in sorted(routes, key=_rank):
            self._add(route)

    def match(self, method: str, path: str) -> Match | None:
        """The route for a method and a path. The path is still encoded, and without the stage."""
        static = self._static.get((method, path)) or self._static.get(("ANY", path))
        if static is not None:
            return Match(static)
        for route, pattern in self._patterns:
            if route.method in (method, "ANY"):
                parameters = pattern.match(path)
                if parameters is not None:
                    return Match(route, parameters)
        return Match(self._default) if self._default is not None else None

    def _add(self, route: HttpRoute) -> None:
        if route.path == "$default":
            self._default = route
        elif PARAMETER.search(route.path):
            self._patterns.append((route, compile_path(route.path, decodes=self._decodes)))
        else:
            self._static[route.method, route.path] = route


def compile_path(path: str, *, decodes: bool = True) -> Pattern:
    """Compile a path. A greedy parameter takes at least one character, and no trailing slash."""
    names: list[str] = []
    regex = ""
    position = 0
    for parameter in PARAMETER.finditer(path):
        names.append(parameter[1])
        regex += re.escape(path[position : parameter.start()])
        regex += "(.+?)/?" if parameter[2] else "([^/]+)"
        position = parameter.end()
    whole = re.compile(regex + re.escape(path[position:]), re.DOTALL)
    return Pattern(tuple(names), whole, decodes)


def _rank(route: HttpRoute) -> tuple[bool, list[int], bool]:
    kinds = [_kind(segment) for segment in route.path.split("/")]
    return (kinds[-1] == 2, kinds, route.method == "ANY")


def _kind(segment: str) -> int:
    parameter = PARAMETER.fullmatch(segment)
    if parameter is None:
        return 0
    return 2 if parameter[2] else 1
