from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.model import (
    HttpApi,
    HttpRoute,
    PathRewrite,
    WebSocketApi,
    WebSocketRoute,
)
from lampwork.template.functions import FunctionNames
from lampwork.template.identity import API
from lampwork.template.resource import Resource, Template

INTEGRATION: Final = "x-amazon-apigateway-integration"
ANY_METHOD: Final = "x-amazon-apigateway-any-method"
METHODS: Final = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})
HTTP_TIMEOUT_SECONDS: Final = 30
WEB_SOCKET_TIMEOUT_SECONDS: Final = 29
DEFAULT_STAGE: Final = "$default"


def read_http_apis(template: Template, functions: FunctionNames) -> tuple[HttpApi, ...]:
    """HTTP APIs with their routes: those SAM writes into `Body`, and AWS::ApiGatewayV2::Route.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(
        HttpApi(
            logical_id=api.logical_id,
            api_id=api.identity.id,
            stage=_stage(api),
            routes=(*_body_routes(api, functions), *_http_routes(api, functions)),
        )
        for api in template.of_type(API)
        if not _is_web_socket(api)
    )


def read_web_socket_apis(template: Template, functions: FunctionNames) -> tuple[WebSocketApi, ...]:
    """WebSocket APIs with their routes and their path rewrites.

    AWS gives such an API one address without a path. Where a CDN in front turns paths into that
    address, the API's metadata say which, for the same to hold at home:

        Metadata:
          Lampwork:
            PathRewrites: ["/ws/tasks/{task_id}"]

    lets /ws/tasks/7 be /{stage}?task_id=7.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(
        WebSocketApi(
            logical_id=api.logical_id,
            api_id=api.identity.id,
            stage=_stage(api),
            route_selection_expression=api.required("RouteSelectionExpression"),
            routes={route.key: route for route in _web_socket_routes(api, functions)},
            rewrites=_path_rewrites(api),
        )
        for api in template.of_type(API)
        if _is_web_socket(api)
    )


def _is_web_socket(api: Resource) -> bool:
    return api.text("ProtocolType") == "WEBSOCKET"


def _of(api: Resource, type: str) -> Iterator[Resource]:
    return (
        each for each in api.template.of_type(type) if each.get("ApiId") == api.identity.reference
    )


def _stage(api: Resource) -> str:
    names = [stage.required("StageName") for stage in _of(api, "AWS::ApiGatewayV2::Stage")]
    if len(names) > 1:
        api.ignore(f"stages {', '.join(names[1:])}", f"Lampwork serves the first, {names[0]}")
    return names[0] if names else DEFAULT_STAGE


def _body_routes(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    body = api.mapping("Body")
    _ignore_settings(api, body)
    for path, item in (body.get("paths") or {}).items():
        for key, operation in item.items():
            if key not in METHODS and key != ANY_METHOD:
                continue
            method = "ANY" if key == ANY_METHOD else key.upper()
            yield from _body_route(api, functions, method, path, operation.get(INTEGRATION, {}))


def _ignore_settings(api: Resource, body: Mapping[str, Any]) -> None:
    if (body.get("components") or {}).get("securitySchemes"):
        api.ignore("authorizers", "every route is open here")
    if "x-amazon-apigateway-cors" in body or api.get("CorsConfiguration"):
        api.ignore("CORS settings", "the functions' own headers are sent")


def _body_route(
    api: Resource,
    functions: FunctionNames,
    method: str,
    path: str,
    integration: Mapping[str, Any],
) -> Iterator[HttpRoute]:
    function = functions.find(integration.get("uri"))
    if function is None:
        api.ignore(f"route {method} {path}", "it leads to no function that runs here")
    elif str(integration.get("payloadFormatVersion", "2.0")) != "2.0":
        api.ignore(f"route {method} {path}", "it asks for payload format 1.0")
    else:
        timeout = _seconds(integration.get("timeoutInMillis"), HTTP_TIMEOUT_SECONDS)
        yield HttpRoute(method, path, function.logical_id, timeout)


def _http_routes(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    for route in _of(api, "AWS::ApiGatewayV2::Route"):
        method, _, path = route.required("RouteKey").rpartition(" ")
        if target := _target(route, functions):
            function, timeout = target
            yield HttpRoute(
                method or "ANY", path, function, _seconds(timeout, HTTP_TIMEOUT_SECONDS)
            )


def _web_socket_routes(api: Resource, functions: FunctionNames) -> Iterator[WebSocketRoute]:
    for route in _of(api, "AWS::ApiGatewayV2::Route"):
        key = route.required("RouteKey")
        if route.text("AuthorizationType") not in (None, "NONE"):
            route.ignore(f"authorizer of {key}", "the route is open here")
        if target := _target(route, functions):
            function, timeout = target
            yield WebSocketRoute(key, function, _seconds(timeout, WEB_SOCKET_TIMEOUT_SECONDS))


def _target(route: Resource, functions: FunctionNames) -> tuple[str, Any] | None:
    """The function that a route's integration leads to, and the integration's timeout."""
    target = route.required("Target").removeprefix("integrations/")
    for integration in route.template.of_type("AWS::ApiGatewayV2::Integration"):
        function = functions.find(integration.get("IntegrationUri"))
        if function is not None and integration.identity.reference == target:
            return function.logical_id, integration.get("TimeoutInMillis")
    route.ignore(f"route {route.text('RouteKey')}", "it leads to no function that runs here")
    return None


def _seconds(milliseconds: Any, default: float) -> float:
    return default if milliseconds is None else float(milliseconds) / 1000


def _path_rewrites(api: Resource) -> tuple[PathRewrite, ...]:
    own = api.template.document.metadata(api.logical_id).get("Lampwork", {})
    paths = own.get("PathRewrites", []) if isinstance(own, dict) else None
    if not isinstance(paths, list) or not all(str(path).startswith("/") for path in paths):
        raise api.error(
            f"the metadata of {api.logical_id} must be"
            " `Lampwork: {PathRewrites: [/a/path/{parameter}]}`."
        )
    return tuple(PathRewrite(path) for path in paths)
