import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import FixedAnswer, GatewayResponse, HttpRoute, RestApi
from lampwork.template.authorizers import route_authorizer
from lampwork.template.functions import named_by
from lampwork.template.http_apis import seconds
from lampwork.template.openapi import definition, operations
from lampwork.template.resource import Resource, Template

API: Final = "AWS::ApiGateway::RestApi"
TIMEOUT_SECONDS: Final = 29
STATUS: Final = re.compile(r'"statusCode"\s*:\s*(\d{3})')
HEADER: Final = "method.response.header."
GATEWAY_HEADER: Final = "gatewayresponse.header."


def read_rest_apis(template: Template, functions: FunctionNames) -> tuple[RestApi, ...]:
    """REST APIs, one for each of their stages: those SAM writes into `Body`, and those of
    AWS::ApiGateway::Resource and Method.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(each for api in template.of_type(API) for each in _stages(api, functions))


def _stages(api: Resource, functions: FunctionNames) -> Iterator[RestApi]:
    body = definition(api)
    routes = (*_body_routes(api, body, functions), *_methods(api, functions))
    types = (
        *api.items("BinaryMediaTypes"),
        *(body.get("x-amazon-apigateway-binary-media-types") or ()),
    )
    for name, variables in _stage_variables(api).items():
        yield RestApi(
            logical_id=api.logical_id,
            api_id=api.identity.id,
            stage=name,
            routes=routes,
            # SAM writes / as ~1.
            binary_media_types=tuple(dict.fromkeys(str(each).replace("~1", "/") for each in types)),
            gateway_responses=dict(_gateway_responses(api, body)),
            stage_variables=variables,
            region=api.identity.place.region,
        )


def _stage_variables(api: Resource) -> dict[str, dict[str, str]]:
    """By the name of the stage. A deployment may name one too, but SAM names a spare one there."""
    stages = {
        stage.required("StageName"): stage.texts("Variables")
        for stage in _parts(api, "AWS::ApiGateway::Stage")
    }
    if stages:
        return stages
    return {
        name: {}
        for deployment in _parts(api, "AWS::ApiGateway::Deployment")
        if (name := deployment.text("StageName"))
    }


def _parts(api: Resource, type: str) -> Iterator[Resource]:
    return (
        each
        for each in api.template.of_type(type)
        if each.get("RestApiId") == api.identity.reference
    )


def _body_routes(
    api: Resource, body: Mapping[str, Any], functions: FunctionNames
) -> Iterator[HttpRoute]:
    for operation in operations(api, body, functions):
        integration = operation.integration
        kind = str(integration.get("type")).lower()
        function = functions.find(integration.get("uri"))
        if kind == "mock":
            fixed = _fixed(
                integration.get("requestTemplates") or {},
                (integration.get("responses") or {}).values(),
            )
        elif kind == "aws_proxy" and function is not None:
            fixed = None
        else:
            route = f"route {operation.method} {operation.path}"
            named_by(integration.get("uri"), api).ignore(route, _why_not(kind))
            continue
        yield HttpRoute(
            operation.method,
            operation.path,
            function.logical_id if function else "",
            seconds(integration.get("timeoutInMillis"), TIMEOUT_SECONDS),
            payload_format="1.0",
            authorizer=operation.authorizer,
            fixed=fixed,
        )


def _methods(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    paths = _paths(api)
    for method in _parts(api, "AWS::ApiGateway::Method"):
        integration = method.mapping("Integration")
        verb, path = method.required("HttpMethod"), paths.get(method.required("ResourceId"))
        if path is None:
            raise method.error(f"the ResourceId of {method.logical_id} is no resource of its API.")
        kind, function = integration.get("Type"), functions.find(integration.get("Uri"))
        fixed = None
        if kind == "MOCK":
            responses = integration.get("IntegrationResponses") or ()
            fixed = _fixed(integration.get("RequestTemplates") or {}, responses)
        elif kind != "AWS_PROXY" or function is None:
            method.ignore(f"route {verb} {path}", _why_not(str(kind)))
            continue
        if method.get("ApiKeyRequired") in (True, "true"):
            method.ignore(f"API key of {verb} {path}", "any caller may use the route")
        yield HttpRoute(
            verb,
            path,
            function.logical_id if function else "",
            seconds(integration.get("TimeoutInMillis"), TIMEOUT_SECONDS),
            payload_format="1.0",
            authorizer=route_authorizer(method, functions),
            fixed=fixed,
        )


def _why_not(kind: str) -> str:
    if kind.lower() == "aws_proxy":
        return "it leads to no function that runs here"
    return f"its integration is {kind}; Lampwork runs aws_proxy to its functions, and mock"


def _paths(api: Resource) -> dict[str, str]:
    """The whole path of each resource, by its id."""
    resources = list(_parts(api, "AWS::ApiGateway::Resource"))
    parents = {
        each.identity.reference: (each.required("ParentId"), each.required("PathPart"))
        for each in resources
    }
    root = api.identity.attribute("RootResourceId") or ""
    paths = {root: "/"}
    for id in parents:
        parts: list[str] = []
        at = id
        while at in parents and len(parts) <= len(parents):
            parent, part = parents[at]
            parts.insert(0, part)
            at = parent
        if at == root:
            paths[id] = "/" + "/".join(parts)
    return paths


def _fixed(request_templates: Mapping[str, Any], responses: Any) -> FixedAnswer:
    """What an integration of type mock answers: its first response, as SAM writes for CORS."""
    chosen = STATUS.search(str(request_templates.get("application/json", "")))
    first: Mapping[str, Any] = next(iter(responses), {})
    given = {name.lower(): value for name, value in first.items()}
    status = given.get("statuscode") or (chosen[1] if chosen else 200)
    parameters = given.get("responseparameters") or {}
    templates = given.get("responsetemplates") or {}
    return FixedAnswer(
        status=int(status),
        headers=_headers(parameters, HEADER),
        body=str(templates.get("application/json", "")).strip(),
    )


def _headers(parameters: Mapping[str, Any], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): str(value).strip("'")
        for name, value in parameters.items()
        if name.startswith(prefix)
    }


def _gateway_responses(
    api: Resource, body: Mapping[str, Any]
) -> Iterator[tuple[str, GatewayResponse]]:
    own = body.get("x-amazon-apigateway-gateway-responses") or {}
    for type, response in own.items():
        yield type, _gateway_response(response)
    for resource in _parts(api, "AWS::ApiGateway::GatewayResponse"):
        names = ("StatusCode", "ResponseParameters", "ResponseTemplates")
        yield (
            resource.required("ResponseType"),
            _gateway_response({name: resource.get(name) for name in names}),
        )


def _gateway_response(response: Mapping[str, Any]) -> GatewayResponse:
    given = {name.lower(): value for name, value in response.items()}
    status = given.get("statuscode")
    parameters = given.get("responseparameters") or {}
    templates = given.get("responsetemplates") or {}
    return GatewayResponse(
        status=None if status is None else int(status),
        headers={
            name.removeprefix(GATEWAY_HEADER): str(value)
            for name, value in parameters.items()
            if name.startswith(GATEWAY_HEADER)
        },
        template=templates.get("application/json"),
    )
