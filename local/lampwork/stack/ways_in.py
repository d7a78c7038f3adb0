"""What a stack answers to and wakes up by, as text."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from lampwork.stack.authorization import LambdaAuthorizer
from lampwork.stack.event_targets import targets_of
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import HttpApi, HttpRoute, RestApi, Schedule, Stack

Row = tuple[str, str, str]


def table(stack: Stack, seconds: Mapping[str, float]) -> str:
    """One line for each way into a function: kind, what triggers it, the function.

    `seconds` are the schedules that come oftener here, by logical id or name.
    """
    rows = list(_rows(stack, seconds))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    if not rows:
        return "  The template has no function that Lampwork runs."
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def changes(before: Stack, after: Stack, seconds: Mapping[str, float]) -> Iterator[str]:
    """One line for each way into a function that went or came."""
    hosts = _told_apart(before) or _told_apart(after)
    old, new = (list(_triggers(stack, seconds, hosts=hosts)) for stack in (before, after))
    for kind, what, function in old:
        if (kind, what, function) not in new:
            yield f"Removed: {kind} {what}, {function}"
    for kind, what, function in new:
        if (kind, what, function) not in old:
            yield f"Added: {kind} {what}, {function}"


def _rows(stack: Stack, seconds: Mapping[str, float]) -> Iterator[Row]:
    triggers = list(_triggers(stack, seconds, hosts=_told_apart(stack)))
    yield from triggers
    yield from _untriggered(stack, {function for _, _, function in triggers})


def _told_apart(stack: Stack) -> bool:
    """Whether it takes the host to tell the APIs apart."""
    return len({api.api_id for api in stack.routed_apis}) > 1


def _triggers(stack: Stack, seconds: Mapping[str, float], *, hosts: bool) -> Iterator[Row]:
    yield from _http(stack, hosts=hosts)
    yield from _websocket(stack)
    for trigger in stack.queue_triggers:
        yield "queue", trigger.queue_arn.rpartition(":")[2], trigger.function
    for stream in stack.stream_triggers:
        yield "stream", stream.table, stream.function
    for schedule in stack.schedules:
        yield "schedule", _interval(schedule, seconds), schedule.function
    yield from _events(stack)


def _interval(schedule: Schedule, seconds: Mapping[str, float]) -> str:
    here = seconds.get(schedule.logical_id, seconds.get(schedule.name))
    return schedule.expression if here is None else f"{schedule.expression}, here {here:g} s"


def _http(stack: Stack, *, hosts: bool) -> Iterable[Row]:
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


def _websocket(stack: Stack) -> Iterable[Row]:
    for api in stack.websocket_apis:
        for rewrite in api.rewrites:
            yield "WS", rewrite.path, api.logical_id
        for route in api.routes.values():
            yield "WS", f"/{api.stage}  {route.key}", route.function


def _events(stack: Stack) -> Iterator[Row]:
    """What the embedded AWS invokes functions for."""
    functions = FunctionNames(stack.functions)
    for resource in stack.resources:
        for kind, what, target in targets_of(resource):
            if function := functions.find(target):
                yield kind, what, function.logical_id


def _untriggered(stack: Stack, triggered: Collection[str]) -> Iterable[Row]:
    authorizers = (
        *(route.authorizer for api in stack.routed_apis for route in api.routes),
        *(api.authorizer for api in stack.websocket_apis),
    )
    asked = {each.function for each in authorizers if isinstance(each, LambdaAuthorizer)}
    for name in stack.functions:
        if name not in triggered:
            yield "authorizer" if name in asked else "invoke", "", name
