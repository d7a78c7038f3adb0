import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import HttpApi, HttpRoute
from lampwork.stack.parameter_mapping import ParameterMapping
from lampwork.stack.rest_methods import Integration
from lampwork.stack.service_integrations import SUBTYPES, ServiceIntegration
from lampwork.template.apis.authorizers import route_authorizer
from lampwork.template.apis.cors import read_cors
from lampwork.template.apis.openapi import definition, operations
from lampwork.template.functions import named_by
from lampwork.template.resource import Resource, Template
from lampwork.template.source.values import Section, Values

API: Final = "AWS::ApiGatewayV2::Api"
STAGE: Final = "AWS::ApiGatewayV2::Stage"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
REQUEST_CHANGE: Final = re.compile(
    r"(append|overwrite|remove):(header|querystring)\..+|overwrite:path"
)
ANSWER_CHANGE: Final = re.compile(r"(append|overwrite|remove):header\..+|overwrite:statuscode")
TIMEOUT_SECONDS: Final = 30
DEFAULT_STAGE: Final = "$default"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-any-method.html
DEFAULT_ROUTE_PATH: Final = "/$default"


def read_http_apis(template: Template, functions: FunctionNames) -> tuple[HttpApi, ...]:
    """HTTP APIs with their routes, one for each of their stages: those SAM writes into `Body`, and
    AWS::ApiGatewayV2::Route.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(
        each
        for api in template.of_type(API)
        if not is_web_socket(api)
        for each in _stages(api, functions)
    )


def is_web_socket(api: Resource) -> bool:
    return api.text("ProtocolType") == "WEBSOCKET"


def parts(api: Resource, type: str) -> Iterator[Resource]:
    """The resources of a type that belong to an API."""
    return (
        each for each in api.template.of_type(type) if each.get("ApiId") == api.identity.reference
    )


def target(route: Resource, functions: FunctionNames) -> tuple[str, Resource] | None:
    """The function that a route's integration leads to, and the integration."""
    named = route.required("Target").removeprefix("integrations/")
    for integration in route.template.of_type("AWS::ApiGatewayV2::Integration"):
        function = functions.find(integration.text("IntegrationUri"))
        if function is not None and integration.identity.reference == named:
            return function.logical_id, integration
    route.ignore(f"route {route.text('RouteKey')}", "it leads to no function that runs here")
    return None


def seconds(integration: Values, name: str, default: float) -> float:
    """A time that a template gives in milliseconds."""
    milliseconds = integration.optional_integer(name)
    return default if milliseconds is None else milliseconds / 1000


def _stages(api: Resource, functions: FunctionNames) -> Iterator[HttpApi]:
    body = definition(api)
    settings = api.section("CorsConfiguration") or body.section("x-amazon-apigateway-cors")
    routes = (
        *_body_routes(api, body, functions),
        *_routes(api, functions),
        *_quick_create(api, functions),
    )
    stages = {
        stage.required("StageName"): stage.variables("StageVariables")
        for stage in parts(api, STAGE)
    }
    for name, variables in (stages or {DEFAULT_STAGE: {}}).items():
        yield HttpApi(
            logical_id=api.logical_id,
            api_id=api.identity.id,
            stage=name,
            routes=routes,
            stage_variables=variables,
            cors=read_cors(settings),
            region=api.identity.place.region,
        )


def _body_routes(api: Resource, body: Section, functions: FunctionNames) -> Iterator[HttpRoute]:
    for operation in operations(api, body, functions):
        address = operation.integration.text("uri")
        function = functions.find(address)
        path = "$default" if operation.path == DEFAULT_ROUTE_PATH else operation.path
        integration = operation.integration.in_lower_case()
        route = HttpRoute(
            operation.method,
            path,
            "",
            seconds(operation.integration, "timeoutInMillis", TIMEOUT_SECONDS),
            authorizer=operation.authorizer,
            scopes=operation.scopes,
        )
        if service := _service(integration, api):
            yield replace(route, service=service)
        elif proxied := _proxied(integration, "type", "uri", "httpmethod"):
            yield replace(route, integration=proxied, mapping=_mapping(integration))
        elif function is None:
            named = f"route {operation.method} {operation.path}"
            named_by(address, api).ignore(named, "it leads to no function that runs here")
        else:
            yield replace(
                route,
                function=function.logical_id,
                payload_format=operation.integration.scalar("payloadFormatVersion") or "2.0",
                mapping=_mapping(integration),
            )


def _routes(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    for route in parts(api, "AWS::ApiGatewayV2::Route"):
        method, _, path = route.required("RouteKey").rpartition(" ")
        leads_to: dict[str, Any]
        if integrated := _service_of(route):
            service, integration = integrated
            leads_to = {"service": service}
        elif forwarded := _proxied_by(route):
            proxied, integration = forwarded
            leads_to = {"integration": proxied, "mapping": _mapping_of(integration)}
        elif found := target(route, functions):
            function, integration = found
            leads_to = {
                "function": function,
                "payload_format": integration.text("PayloadFormatVersion") or "2.0",
                "mapping": _mapping_of(integration),
            }
        else:
            continue
        yield HttpRoute(
            method or "ANY",
            path,
            timeout_seconds=seconds(integration, "TimeoutInMillis", TIMEOUT_SECONDS),
            authorizer=route_authorizer(route, functions),
            scopes=route.texts("AuthorizationScopes"),
            **{"function": "", **leads_to},
        )


def _proxied_by(route: Resource) -> tuple[Integration, Resource] | None:
    """The HTTP server that a route's integration leads to, and the integration."""
    named = route.required("Target").removeprefix("integrations/")
    for integration in route.template.of_type("AWS::ApiGatewayV2::Integration"):
        if integration.identity.reference == named:
            given = Section(integration, "", integration.properties()).in_lower_case()
            names = ("integrationtype", "integrationuri", "integrationmethod")
            proxied = _proxied(given, *names)
            return (proxied, integration) if proxied else None
    return None


def _proxied(given: Section, type: str, uri: str, method: str) -> Integration | None:
    """An HTTP server to which a route passes its requests on; None for any other integration, and
    for a server in a VPC.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
    """
    private = given.text("connectiontype") == "VPC_LINK"
    if private or (given.text(type) or "").upper() != "HTTP_PROXY":
        return None
    return Integration("HTTP_PROXY", given.text(uri) or "", given.text(method) or "ANY")


def _mapping_of(integration: Resource) -> ParameterMapping | None:
    integration.heed("RequestParameters")
    integration.heed("ResponseParameters")
    return _mapping(Section(integration, "", integration.properties()).in_lower_case())


def _mapping(integration: Section) -> ParameterMapping | None:
    """What an integration changes in requests and answers; its names are in lower case.

    Raises:
        TemplateError: a key is none that AWS takes.
    """
    given = integration.section("responseparameters")
    request = integration.variables("requestparameters")
    answers = {status: _of_status(given.section(status)) for status in given}
    for wanted, keys in (
        (REQUEST_CHANGE, request),
        *((ANSWER_CHANGE, answer) for answer in answers.values()),
    ):
        for key in keys:
            if not wanted.fullmatch(key):
                places = "overwrite:header.NAME or append:querystring.NAME"
                if wanted is ANSWER_CHANGE:
                    places = "overwrite:header.NAME or overwrite:statuscode"
                raise integration.error(f"{key!r} maps no parameter: write {places}.")
    return ParameterMapping(request, answers) if request or answers else None


def _of_status(given: Section) -> dict[str, str]:
    """CloudFormation writes lists of destinations and sources, OpenAPI a mapping."""
    if given.get("ResponseParameters") is None:
        return {name: given.scalar(name) or "" for name in given}
    pairs = given.sections("ResponseParameters")
    return {each.required("Destination"): each.scalar("Source") or "" for each in pairs}


def _service_of(route: Resource) -> tuple[ServiceIntegration, Resource] | None:
    """The AWS service that a route's integration calls, and the integration."""
    named = route.required("Target").removeprefix("integrations/")
    for integration in route.template.of_type("AWS::ApiGatewayV2::Integration"):
        if integration.get("IntegrationSubtype") and integration.identity.reference == named:
            service = _service(
                Section(integration, "", integration.properties()).in_lower_case(), route
            )
            integration.heed("RequestParameters")
            return (service, integration) if service else None
    return None


def _service(integration: Section, api: Resource) -> ServiceIntegration | None:
    """The AWS service that an integration calls itself; its names are in lower case.

    Raises:
        TemplateError: AWS would refuse it, since a parameter is missing.
    """
    subtype = integration.text("integrationsubtype") or ""
    if subtype not in SUBTYPES:
        return None
    given = integration.section("requestparameters")
    parameters = {name: given.scalar(name) or "" for name in given}
    missing = [name for name in SUBTYPES[subtype][2] if name not in parameters]
    if missing:
        raise api.error(f"an integration {subtype} needs the parameter {missing[0]}.")
    region = parameters.pop("Region", api.identity.place.region)
    return ServiceIntegration(subtype, parameters, region)


def _quick_create(api: Resource, functions: FunctionNames) -> Iterator[HttpRoute]:
    """The only route of an API that names its function itself.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop.html
    """
    if (named := api.text("Target")) is None:
        return
    if function := functions.find(named):
        method, _, path = (api.text("RouteKey") or "$default").rpartition(" ")
        yield HttpRoute(method or "ANY", path, function.logical_id, TIMEOUT_SECONDS)
    else:
        api.ignore("Target", "it leads to no function that runs here")
