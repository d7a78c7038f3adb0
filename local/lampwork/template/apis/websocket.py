from collections.abc import Iterator
from typing import Final

from lampwork.stack.authorization import Authorizer
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import PathRewrite, WebSocketApi, WebSocketRoute
from lampwork.template.apis.authorizers import route_authorizer
from lampwork.template.apis.http import API, STAGE, is_web_socket, parts, seconds, target
from lampwork.template.resource import Resource, Template

ROUTE: Final = "AWS::ApiGatewayV2::Route"
ROUTE_RESPONSE: Final = "AWS::ApiGatewayV2::RouteResponse"
TIMEOUT_SECONDS: Final = 29
CONNECT: Final = "$connect"


def read_web_socket_apis(template: Template, functions: FunctionNames) -> tuple[WebSocketApi, ...]:
    """WebSocket APIs with their routes and their path rewrites.

    AWS gives such an API one address without a path. Where a CDN in front turns paths into that
    address, the API's metadata say which, so that the same works at home:

        Metadata:
          Lampwork:
            PathRewrites: ["/ws/tasks/{task_id}"]

    makes /{stage}?task_id=7 of /ws/tasks/7.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(
        each
        for api in template.of_type(API)
        if is_web_socket(api)
        for each in _web_socket_api(api, functions)
    )


def _web_socket_api(api: Resource, functions: FunctionNames) -> Iterator[WebSocketApi]:
    stages = list(parts(api, STAGE))
    if not stages:
        api.ignore(api.type, f"it has no {STAGE}, and so no address")
        return
    names = [stage.required("StageName") for stage in stages]
    if len(names) > 1:
        api.ignore(f"stages {', '.join(names[1:])}", f"Lampwork serves the first, {names[0]}")
    yield WebSocketApi(
        logical_id=api.logical_id,
        api_id=api.identity.id,
        stage=names[0],
        route_selection_expression=api.required("RouteSelectionExpression"),
        routes={route.key: route for route in _routes(api, functions)},
        rewrites=_path_rewrites(api),
        authorizer=_authorizer(api, functions),
        stage_variables=stages[0].variables("StageVariables"),
        region=api.identity.place.region,
    )


def _routes(api: Resource, functions: FunctionNames) -> Iterator[WebSocketRoute]:
    answered = {response.text("RouteId") for response in parts(api, ROUTE_RESPONSE)}
    for route in parts(api, ROUTE):
        if route.truth("ApiKeyRequired"):
            route.ignore("ApiKeyRequired", "any caller may connect")
        if found := target(route, functions):
            function, integration = found
            yield WebSocketRoute(
                route.required("RouteKey"),
                function,
                seconds(integration, "TimeoutInMillis", TIMEOUT_SECONDS),
                # Both are needed; SAM writes only the first.
                two_way=route.text("RouteResponseSelectionExpression") == "$default"
                and route.identity.reference in answered,
            )


def _authorizer(api: Resource, functions: FunctionNames) -> Authorizer | None:
    for route in parts(api, ROUTE):
        if route.text("RouteKey") == CONNECT:
            return route_authorizer(route, functions)
    return None


def _path_rewrites(api: Resource) -> tuple[PathRewrite, ...]:
    paths = api.metadata.section("Lampwork").texts("PathRewrites")
    if not all(path.startswith("/") for path in paths):
        raise api.error(
            f"the metadata of {api.logical_id} must be"
            " `Lampwork: {PathRewrites: [/a/path/{parameter}]}`."
        )
    return tuple(PathRewrite(path) for path in paths)
