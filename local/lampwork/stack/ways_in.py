"""What a stack answers to and wakes up by, as text."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from lampwork.stack.authorization import LambdaAuthorizer
from lampwork.stack.model import HttpApi, HttpRoute, RestApi, Stack

WayIn = tuple[str, str, str]
"""The kind of a way into a function, what it is called, and the function."""


class Listed(Protocol):
    """What wakes functions, and can say which."""

    def ways_in(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[WayIn]: ...


def table(stack: Stack, sources: Iterable[Listed], intervals: Mapping[str, float]) -> str:
    """One line for each way into a function: kind, what triggers it, the function.

    `intervals` are the seconds between the firings of schedules that fire more often here, by
    logical id or name.
    """
    hosts = _told_apart(stack)
    rows = list(_ways_in(stack, sources, intervals, hosts=hosts))
    rows += _untriggered(stack, {function for _, _, function in rows})
    if not rows:
        return "  The template has no function that Lampwork runs."
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def changes(
    before: Stack, after: Stack, sources: Iterable[Listed], intervals: Mapping[str, float]
) -> Iterator[str]:
    """One line for each way into a function that went or came."""
    hosts = _told_apart(before) or _told_apart(after)
    old, new = (list(_ways_in(stack, sources, intervals, hosts=hosts)) for stack in (before, after))
    for kind, what, function in old:
        if (kind, what, function) not in new:
            yield f"Removed: {kind} {what}, {function}"
    for kind, what, function in new:
        if (kind, what, function) not in old:
            yield f"Added: {kind} {what}, {function}"


def _told_apart(stack: Stack) -> bool:
    """Whether it takes the host to tell the APIs apart."""
    return len({api.api_id for api in stack.routed_apis}) > 1


def _ways_in(
    stack: Stack, sources: Iterable[Listed], intervals: Mapping[str, float], *, hosts: bool
) -> Iterator[WayIn]:
    yield from _http(stack, hosts=hosts)
    yield from _websocket(stack)
    for source in sources:
        yield from source.ways_in(stack, intervals)


def _http(stack: Stack, *, hosts: bool) -> Iterable[WayIn]:
    """With the stage in front where the address has it, and the host if `hosts`."""
    rows = [
        (route.method, _address(api, route, host=hosts), route.function)
        for api in stack.routed_apis
        for route in api.routes
        if route.fixed is None
    ]
    yield from sorted(rows, key=lambda row: (row[1], row[0]))
    for url in stack.function_urls:
        yield "URL", f"{url.url_id}.lambda-url.localhost/", url.function


def _address(api: HttpApi | RestApi, route: HttpRoute, *, host: bool) -> str:
    stage = "" if api.stage == "$default" else f"/{api.stage}"
    base = f"{api.api_id}.execute-api.localhost{stage}" if host else stage
    return f"{base}{route.path}" if route.path != "$default" else f"{base} $default"


def _websocket(stack: Stack) -> Iterable[WayIn]:
    for api in stack.websocket_apis:
        for rewrite in api.rewrites:
            yield "WS", rewrite.path, api.logical_id
        for route in api.routes.values():
            yield "WS", f"/{api.stage}  {route.key}", route.function


def _untriggered(stack: Stack, triggered: Collection[str]) -> Iterable[WayIn]:
    authorizers = (
        *(route.authorizer for api in stack.routed_apis for route in api.routes),
        *(api.authorizer for api in stack.websocket_apis),
    )
    asked = {each.function for each in authorizers if isinstance(each, LambdaAuthorizer)}
    for name in stack.functions:
        if name not in triggered:
            yield "authorizer" if name in asked else "invoke", "", name
