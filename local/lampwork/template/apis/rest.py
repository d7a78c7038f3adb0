from collections.abc import Iterator
from typing import Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import GatewayResponse, HttpRoute, RestApi
from lampwork.stack.rest_methods import Integration
from lampwork.template.apis.authorizers import route_authorizer
from lampwork.template.apis.http import seconds
from lampwork.template.apis.methods.integrations import read_integration, why_not
from lampwork.template.apis.methods.request_checks import method_checks, operation_checks
from lampwork.template.apis.methods.usage_plans import read_usage_plans
from lampwork.template.apis.openapi import definition, operations
from lampwork.template.functions import named_by
from lampwork.template.resource import Resource, Template
from lampwork.template.source.values import Section

API: Final = "AWS::ApiGateway::RestApi"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
NAMED: Final = {
    "x-amazon-apigateway-minimum-compression-size": "answers are not compressed",
    "x-amazon-apigateway-policy": ("no policy is evaluated: everybody on this machine may call"),
}
TIMEOUT_SECONDS: Final = 29
# How long a streamed answer may pause.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
IDLE_SECONDS: Final = 300
EDGE_IDLE_SECONDS: Final = 30
GATEWAY_HEADER: Final = "gatewayresponse.header."
JSON: Final = "application/json"


def read_rest_apis(template: Template, functions: FunctionNames) -> tuple[RestApi, ...]:
    """REST APIs, one for each of their stages: those SAM writes into `Body`, and those of
    AWS::ApiGateway::Resource and Method.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(each for api in template.of_type(API) for each in _stages(api, functions))


def _stages(api: Resource, functions: FunctionNames) -> Iterator[RestApi]:
    body = definition(api)
    for name, reason in NAMED.items():
        if body.get(name) is not None:
            api.ignore(name, reason)
    routes = (*_body_routes(api, body, functions), *_methods(api, functions))
    deployments = _parts(api, "AWS::ApiGateway::Deployment")
    deployment = next((each.identity.id[:6] for each in deployments), api.identity.id[:6])
    types = (
        *api.texts("BinaryMediaTypes"),
        *body.texts("x-amazon-apigateway-binary-media-types"),
    )
    for name, variables in _stage_variables(api).items():
        yield RestApi(
            logical_id=api.logical_id,
            api_id=api.identity.id,
            stage=name,
            routes=routes,
            # SAM writes / as ~1.
            binary_media_types=tuple(dict.fromkeys(each.replace("~1", "/") for each in types)),
            gateway_responses=dict(_gateway_responses(api, body)),
            stage_variables=variables,
            region=api.identity.place.region,
            deployment_id=deployment,
            usage_plans=read_usage_plans(api, name),
            api_key_source=api.text("ApiKeySourceType")
            or body.text("x-amazon-apigateway-api-key-source")
            or "HEADER",
            idle_seconds=EDGE_IDLE_SECONDS if _is_at_the_edge(api) else IDLE_SECONDS,
        )


def _is_at_the_edge(api: Resource) -> bool:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-endpoint-types.html"""
    types = api.section("EndpointConfiguration").texts("Types")
    return not types or "EDGE" in types


def _stage_variables(api: Resource) -> dict[str, dict[str, str]]:
    """The variables of each stage. A deployment may name a stage too, but SAM names an unused one
    there."""
    stages = {
        stage.required("StageName"): stage.variables("Variables")
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


def _body_routes(api: Resource, body: Section, functions: FunctionNames) -> Iterator[HttpRoute]:
    for operation in operations(api, body, functions):
        given = operation.integration.in_lower_case()
        verb, path = operation.method, operation.path.rstrip("/") or "/"
        integration, function = _leads_to(given, functions)
        if integration is None and function is None:
            named_by(given.text("uri"), api).ignore(
                f"route {verb} {path}", _why_not(given, functions)
            )
            continue
        streams = _streams(api, f"route {verb} {path}", given)
        yield HttpRoute(
            verb,
            path,
            function or "",
            seconds(given, "timeoutinmillis", TIMEOUT_SECONDS),
            payload_format="1.0",
            authorizer=operation.authorizer,
            scopes=operation.scopes,
            integration=integration,
            checks=operation_checks(api, body, operation),
            needs_api_key=operation.needs_api_key,
            streams=streams,
        )


def _methods(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    paths = _paths(api)
    for method in _parts(api, "AWS::ApiGateway::Method"):
        given = method.section("Integration").in_lower_case()
        verb, path = method.required("HttpMethod"), paths.get(method.required("ResourceId"))
        if path is None:
            raise method.error(
                f"the ResourceId of {method.logical_id} is not a resource of its API."
            )
        integration, function = _leads_to(given, functions)
        if integration is None and function is None:
            method.ignore(f"route {verb} {path}", _why_not(given, functions))
            continue
        streams = _streams(method, f"route {verb} {path}", given)
        yield HttpRoute(
            verb,
            path,
            function or "",
            seconds(given, "timeoutinmillis", TIMEOUT_SECONDS),
            payload_format="1.0",
            authorizer=route_authorizer(method, functions),
            scopes=method.texts("AuthorizationScopes"),
            integration=integration,
            checks=method_checks(api, method),
            needs_api_key=method.truth("ApiKeyRequired"),
            streams=streams,
        )


def _streams(resource: Resource, route: str, integration: Section) -> bool:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html"""
    if integration.text("responsetransfermode") != "STREAM":
        return False
    if (integration.text("type") or "").upper() == "AWS_PROXY":
        return True
    resource.ignore(f"responseTransferMode of {route}", "the answer is sent when it is whole")
    return False


def _leads_to(given: Section, functions: FunctionNames) -> tuple[Integration | None, str | None]:
    """The integration, unless it is a function's proxy, and the function's logical id."""
    if (given.text("type") or "").upper() == "AWS_PROXY":
        function = functions.find(given.text("uri"))
        return None, function.logical_id if function else None
    integration = read_integration(given, functions)
    return integration, integration.function if integration else None


def _why_not(given: Section, functions: FunctionNames) -> str:
    return why_not(given, functions) or "it leads nowhere"


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


def _gateway_responses(api: Resource, body: Section) -> Iterator[tuple[str, GatewayResponse]]:
    own = body.section("x-amazon-apigateway-gateway-responses")
    for type in own:
        yield type, _gateway_response(own.section(type))
    for resource in _parts(api, "AWS::ApiGateway::GatewayResponse"):
        properties = Section(resource, "", resource.properties())
        yield resource.required("ResponseType"), _gateway_response(properties)


def _gateway_response(response: Section) -> GatewayResponse:
    given = response.in_lower_case()
    return GatewayResponse(
        status=given.optional_integer("statuscode"),
        headers=_headers(given, GATEWAY_HEADER),
        template=given.section("responsetemplates").scalar(JSON),
    )


def _headers(response: Section, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in response.variables("responseparameters").items()
        if name.startswith(prefix)
    }
