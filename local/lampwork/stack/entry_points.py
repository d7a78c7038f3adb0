"""The entry points of a stack, its routes and triggers, as text."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from lampwork.stack.authorization import LambdaAuthorizer
from lampwork.stack.load_balancers import FunctionTarget
from lampwork.stack.model import HttpApi, HttpRoute, RestApi, Stack
from lampwork.stack.rest_methods import ApiKey

EntryPoint = tuple[str, str, str]
"""What invokes a function: its kind, its name, and the function's logical id."""


class HasEntryPoints(Protocol):
    """Whatever invokes functions and can list them."""

    def entry_points(
        self, stack: Stack, intervals: Mapping[str, float]
    ) -> Iterator[EntryPoint]: ...


def listed(
    stack: Stack, sources: Iterable[HasEntryPoints], intervals: Mapping[str, float]
) -> list[EntryPoint]:
    """All entry points, and then the functions that have none.

    `intervals` are seconds between firings, by a schedule's logical id or name; they replace the
    schedule's expression.
    """
    rows = list(_entry_points(stack, sources, intervals, hosts=_needs_hosts(stack)))
    return [*rows, *_untriggered(stack, {function for _, _, function in rows})]


def table(stack: Stack, sources: Iterable[HasEntryPoints], intervals: Mapping[str, float]) -> str:
    """One line for each of those that are `listed`: its kind, its name, the function."""
    rows = listed(stack, sources, intervals)
    if not rows:
        return "  The template has no function that Lampwork runs."
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def changes(
    before: Stack, after: Stack, sources: Iterable[HasEntryPoints], intervals: Mapping[str, float]
) -> Iterator[str]:
    """One line for each entry point that was removed or added."""
    hosts = _needs_hosts(before) or _needs_hosts(after)
    old, new = (
        list(_entry_points(stack, sources, intervals, hosts=hosts)) for stack in (before, after)
    )
    for kind, what, function in old:
        if (kind, what, function) not in new:
            yield f"Removed: {kind} {what}, {function}"
    for kind, what, function in new:
        if (kind, what, function) not in old:
            yield f"Added: {kind} {what}, {function}"


def _needs_hosts(stack: Stack) -> bool:
    """Whether the stack has several APIs, which only the host tells apart."""
    return len({api.api_id for api in stack.routed_apis}) > 1


def _entry_points(
    stack: Stack, sources: Iterable[HasEntryPoints], intervals: Mapping[str, float], *, hosts: bool
) -> Iterator[EntryPoint]:
    yield from _http(stack, hosts=hosts)
    yield from _websocket(stack)
    for source in sources:
        yield from source.entry_points(stack, intervals)


def _http(stack: Stack, *, hosts: bool) -> Iterable[EntryPoint]:
    """The routes of HTTP and REST APIs, and function URLs. Paths begin with the stage if the API's
    address has one, and with the host if `hosts` is set."""
    rows = [
        (route.method, _address(api, route, host=hosts), leads_to)
        for api in stack.routed_apis
        for route in api.routes
        if (leads_to := route.function or _target(route))
    ]
    yield from sorted(rows, key=lambda row: (row[1], row[0]))
    for key in _api_keys(stack):
        yield "API key", f"{key.name}  x-api-key: {key.value}", ""
    for listener in stack.load_balancers:
        for rule in listener.rules:
            if isinstance(rule.action, FunctionTarget):
                where = f"{listener.listener_id}.elb.localhost  {rule.key}"
                yield "ALB", where, rule.action.function
    for url in stack.function_urls:
        yield "URL", f"{url.url_id}.lambda-url.localhost/", url.function


def _api_keys(stack: Stack) -> Iterable[ApiKey]:
    """The keys that are good for a route, in the template's order."""
    keys = (
        key
        for api in stack.rest_apis
        if any(route.needs_api_key for route in api.routes)
        for plan in api.usage_plans
        for key in plan.keys
        if key.enabled
    )
    return {key.key_id: key for key in keys}.values()


def _target(route: HttpRoute) -> str | None:
    """Where a route without a function leads; None for a mock, which leads nowhere."""
    if route.service is not None:
        return route.service.subtype
    integration = route.integration
    return integration.target if integration and integration.kind != "MOCK" else None


def _address(api: HttpApi | RestApi, route: HttpRoute, *, host: bool) -> str:
    stage = "" if api.stage == "$default" else f"/{api.stage}"
    base = f"{api.api_id}.execute-api.localhost{stage}" if host else stage
    return f"{base}{route.path}" if route.path != "$default" else f"{base} $default"


def _websocket(stack: Stack) -> Iterable[EntryPoint]:
    for api in stack.websocket_apis:
        for rewrite in api.rewrites:
            yield "WS", rewrite.path, api.logical_id
        for route in api.routes.values():
            yield "WS", f"/{api.stage}  {route.key}", route.function


def _untriggered(stack: Stack, triggered: Collection[str]) -> Iterable[EntryPoint]:
    authorizers = (
        *(route.authorizer for api in stack.routed_apis for route in api.routes),
        *(api.authorizer for api in stack.websocket_apis),
    )
    asked = {each.function for each in authorizers if isinstance(each, LambdaAuthorizer)}
    for name in stack.functions:
        if name not in triggered:
            yield "authorizer" if name in asked else "invoke", "", name
