"""What a stack answers to and wakes up by, as text."""

from collections.abc import Iterable, Iterator, Mapping

from lampwork.model import Schedule, Stack

Row = tuple[str, str, str]


def table(stack: Stack, seconds: Mapping[str, float]) -> str:
    """One line for each way into a function: kind, what triggers it, the function.

    `seconds` are the schedules that come oftener here, by logical id or name.
    """
    rows = list(_rows(stack, seconds))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def _rows(stack: Stack, seconds: Mapping[str, float]) -> Iterator[Row]:
    yield from _http(stack)
    yield from _websocket(stack)
    for trigger in stack.queue_triggers:
        yield "queue", trigger.queue_arn.rpartition(":")[2], trigger.function
    for schedule in stack.schedules:
        yield "schedule", _interval(schedule, seconds), schedule.function
    yield from _untriggered(stack)


def _interval(schedule: Schedule, seconds: Mapping[str, float]) -> str:
    here = seconds.get(schedule.logical_id, seconds.get(schedule.name))
    return schedule.expression if here is None else f"{schedule.expression}, here {here:g} s"


def _http(stack: Stack) -> Iterable[Row]:
    routes = (route for api in stack.http_apis for route in api.routes)
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        yield route.method, route.path, route.function


def _websocket(stack: Stack) -> Iterable[Row]:
    for api in stack.websocket_apis:
        for rewrite in api.rewrites:
            yield "WS", rewrite.path, api.logical_id
        for route in api.routes.values():
            yield "WS", f"/{api.stage}  {route.key}", route.function


def _untriggered(stack: Stack) -> Iterable[Row]:
    triggered = {
        *(route.function for api in stack.http_apis for route in api.routes),
        *(route.function for api in stack.websocket_apis for route in api.routes.values()),
        *(trigger.function for trigger in stack.queue_triggers),
        *(schedule.function for schedule in stack.schedules),
    }
    for name in stack.functions:
        if name not in triggered:
            yield "invoke", "", name
