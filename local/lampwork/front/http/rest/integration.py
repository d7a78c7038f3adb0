"""Runs an integration: maps the request, calls what is behind it, maps the answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-data-transformations.html
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from lampwork.events.identifiers import whole_trace
from lampwork.events.rest_api import is_binary, remapped
from lampwork.front.http.rest.backends import BackendAnswer, Backends, rendered_uri
from lampwork.front.http.rest.services import BackendRequest, Headers
from lampwork.front.http.rest.sources import MethodRequest, Refused, response_header
from lampwork.front.http.rest_errors import CONFIGURATION, NOT_RUN, UNSUPPORTED_MEDIA_TYPE
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.model import HttpRoute, RestApi
from lampwork.stack.rest_methods import Integration, IntegrationResponse
from lampwork.vtl.java import TemplateFailure
from lampwork.vtl.mapping import render_mapping

JSON: Final = "application/json"
DEFAULT: Final = "$default"
# Recorded on AWS: localstack/localstack, test_apigateway_integrations.snapshot.json,
# TestApiGatewayHeaderRemapping. A mapping that sets one of these headers is an error …
ILLEGAL: Final = frozenset(
    {"content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"}
)
ILLEGAL_FOR_AWS: Final = ILLEGAL | {
    *("authorization", "connection", "expect", "proxy-authenticate", "te")
}
# … and one that sets these is not followed.
DROPPED: Final = frozenset({"expect", "proxy-authenticate", "te"})
# What a client's request to an HTTP_PROXY loses, and what its answer does.
NOT_PROXIED: Final = frozenset({"host", "content-encoding", "via", "x-amzn-trace-id"})
NOT_PROXIED_BACK: Final = frozenset({"content-encoding", "via"})


class IntegrationRunner:
    """The integrations of one stage of a REST API."""

    def __init__(self, api: RestApi, backends: Backends) -> None:
        self._api = api
        self._backends = backends

    async def run(
        self,
        route: HttpRoute,
        integration: Integration,
        request: Request,
        event: Mapping[str, Any],
    ) -> Response:
        """The answer to the client. `event` is that of a proxy integration for the same request.

        Raises:
            Refused: the gateway itself must answer.
        """
        if integration.kind == "HTTP_PROXY":
            proxied = self._proxied(integration, request, event)
            answer = await self._backends.call(route, integration, proxied)
            headers = remapped(
                each for each in answer.headers if each[0].lower() not in NOT_PROXIED_BACK
            )
            return Response(answer.status, headers, answer.body)
        body = self._text_of(request, integration)
        method_request = MethodRequest.of(event, body)
        mapped = self._mapped(integration, request, method_request)
        answer = await self._backends.call(route, integration, mapped)
        response = self._response(integration, request, method_request, answer)
        if integration.kind != "MOCK":
            trace = whole_trace(event["headers"]["X-Amzn-Trace-Id"])
            response.headers.append(("X-Amzn-Trace-Id", trace))
        return response

    # The request

    def _text_of(self, request: Request, integration: Integration) -> str:
        """The body as a template gets it: a binary one as base64, if the integration asks for
        that.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html
        """
        binary = is_binary(request.header("content-type"), self._api.binary_media_types)
        if binary and integration.content_handling == "CONVERT_TO_TEXT":
            return base64.b64encode(request.body).decode()
        return request.body.decode("utf-8", "replace")

    def _mapped(
        self, integration: Integration, request: Request, given: MethodRequest
    ) -> BackendRequest:
        template = _template(integration, request)
        parameters = _parameters(integration, given)
        if not template:
            body = request.body
            if integration.content_handling == "CONVERT_TO_TEXT":
                body = given.body.encode()
        else:
            body = _rendered(template, given, given.body).encode("utf-8", "surrogatepass")
        if integration.content_handling == "CONVERT_TO_BINARY" and not is_binary(
            request.header("content-type"), self._api.binary_media_types
        ):
            body = _decoded(body)
        override = given.context["requestOverride"]
        for place, values in parameters.items():
            values.update(
                {str(n): v for n, v in (override.get(place) or {}).items() if v is not None}
            )
        _check_headers(integration, parameters["header"])
        headers = {n: str(v) for n, v in parameters["header"].items() if n.lower() not in DROPPED}
        _set_default(headers, "Accept", JSON)
        _set_default(headers, "User-Agent", f"AmazonAPIGateway_{self._api.api_id}")
        sent = request.header("content-type")
        if sent and request.method not in ("GET", "HEAD", "OPTIONS"):
            _set_default(headers, "Content-Type", sent)
        if integration.kind == "HTTP":
            headers["X-Amzn-Apigateway-Api-Id"] = self._api.api_id
        headers["X-Amzn-Trace-Id"] = given.event["headers"]["X-Amzn-Trace-Id"]
        path = {name: str(value) for name, value in parameters["path"].items()}
        return BackendRequest(
            method=_method(integration, request),
            uri=rendered_uri(integration, path, given.stage_variables),
            headers=headers,
            query=dict(parameters["querystring"]),
            body=body,
        )

    def _proxied(
        self, integration: Integration, request: Request, event: Mapping[str, Any]
    ) -> BackendRequest:
        given = MethodRequest.of(event, request.body.decode("utf-8", "replace"))
        parameters = _parameters(integration, given)
        _check_headers(integration, parameters["header"])
        headers = {
            name: ",".join(values)
            for name, values in event["multiValueHeaders"].items()
            if name.lower() not in NOT_PROXIED and not name.lower().startswith("x-forwarded-")
        }
        headers |= {name: str(value) for name, value in parameters["header"].items()}
        headers["X-Amzn-Apigateway-Api-Id"] = self._api.api_id
        headers["X-Amzn-Trace-Id"] = event["headers"]["X-Amzn-Trace-Id"]
        query = dict(event["multiValueQueryStringParameters"] or {})
        for name, value in parameters["querystring"].items():
            query[name] = [*query.get(name, ()), *([value] if isinstance(value, str) else value)]
        path = {name: str(value) for name, value in parameters["path"].items()}
        return BackendRequest(
            method=_method(integration, request),
            uri=rendered_uri(integration, path, given.stage_variables),
            headers=headers,
            query=query,
            body=request.body,
        )

    # The answer

    def _response(
        self,
        integration: Integration,
        request: Request,
        given: MethodRequest,
        answer: BackendAnswer,
    ) -> Response:
        chosen = _selected(integration, answer.selected_by)
        binary = is_binary(_header(answer, "content-type"), self._api.binary_media_types)
        if binary and chosen.content_handling == "CONVERT_TO_TEXT":
            text = base64.b64encode(answer.body).decode()
        else:
            text = answer.body.decode("utf-8", "replace")
        headers = [
            (name, value)
            for name, source in chosen.parameters.items()
            if (value := response_header(source, given, answer.headers, text)) is not None
        ]
        media_type, template = _response_template(chosen, request)
        if template:
            body = _rendered(template, given, text).encode("utf-8", "surrogatepass")
        elif binary and chosen.content_handling != "CONVERT_TO_TEXT":
            body = answer.body
        else:
            body = text.encode() if binary else answer.body
        if chosen.content_handling == "CONVERT_TO_BINARY" and not binary:
            body = _decoded(body)
        override = given.context["responseOverride"]
        headers = _overridden(headers, override.get("header") or {})
        response = Response(_status(override.get("status"), chosen), remapped(headers), body)
        if all(name.lower() != "content-type" for name, _ in response.headers):
            response.headers.append(("Content-Type", media_type))
        return response


def _method(integration: Integration, request: Request) -> str:
    return request.method if integration.method in ("", "ANY") else integration.method.upper()


def _template(integration: Integration, request: Request) -> str | None:
    """The request template for the client's Content-Type; None, or an empty one, where the body
    passes through.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
    """
    media_type = (request.header("content-type") or JSON).partition(";")[0].strip()
    template = integration.templates.get(media_type, integration.templates.get(DEFAULT))
    if template is not None or integration.passthrough == "WHEN_NO_MATCH":
        return template
    if integration.passthrough == "WHEN_NO_TEMPLATES" and not integration.templates:
        return None
    raise Refused(UNSUPPORTED_MEDIA_TYPE, f"no request template is for {media_type}")


def _parameters(integration: Integration, given: MethodRequest) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {"header": {}, "querystring": {}, "path": {}}
    for target, source in integration.parameters.items():
        place, _, name = target.partition(".")
        value = given.mapped(source)
        if place in found and value:
            found[place][name] = value
    return found


def _check_headers(integration: Integration, headers: Mapping[str, Any]) -> None:
    illegal = ILLEGAL_FOR_AWS if integration.kind == "AWS" else ILLEGAL
    for name in headers:
        if name.lower() in illegal:
            raise Refused(NOT_RUN, f"a mapping must not set the header {name}")


def _rendered(template: str, given: MethodRequest, body: str) -> str:
    try:
        return render_mapping(
            template,
            body=body,
            parameters=given.parameters,
            context=given.context,
            stage_variables=given.stage_variables,
        )
    except TemplateFailure as failure:
        raise Refused(NOT_RUN, str(failure)) from failure


def _selected(integration: Integration, value: str) -> IntegrationResponse:
    """The first response whose pattern matches as a whole; else the one without a pattern."""
    default = None
    for response in integration.responses:
        if response.pattern is None:
            default = default or response
        elif _matches(response.pattern, value):
            return response
    if default is None:
        reason = f"no integration response is for {value!r}, and none is the default"
        raise Refused(CONFIGURATION, reason)
    return default


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error as error:
        raise Refused(CONFIGURATION, f"the selection pattern {pattern!r}: {error}") from error


def _response_template(chosen: IntegrationResponse, request: Request) -> tuple[str, str | None]:
    """The template for the client's Accept header with its media type; else that for JSON, else
    the first. With an empty one the body passes through: aws-samples/serverless-patterns,
    apigw-rest-stepfunction, answers with the service's own answer by it."""
    if not chosen.templates:
        return JSON, None
    accepted = (request.header("accept") or "").partition(",")[0].partition(";")[0].strip()
    for media_type in (accepted, JSON):
        if media_type in chosen.templates:
            return media_type, chosen.templates[media_type]
    return next(iter(chosen.templates.items()))


def _status(override: object, chosen: IntegrationResponse) -> int:
    """AWS passes over an override that is no status."""
    if isinstance(override, int) and 100 <= override < 600:
        return override
    return chosen.status


def _overridden(headers: Headers, override: Mapping[Any, Any]) -> Headers:
    replaced = {str(name).lower() for name in override}
    kept = [each for each in headers if each[0].lower() not in replaced]
    for name, value in override.items():
        values = value if isinstance(value, list) else [value]
        kept += [(str(name), _header_text(each)) for each in values if each is not None]
    return kept


def _header_text(value: object) -> str:
    return re.sub(r"[\r\n\0]", " ", str(value))


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(NOT_RUN, "the body that is to be binary is not base64") from error


def _header(answer: BackendAnswer, name: str) -> str | None:
    return next((value for each, value in answer.headers if each.lower() == name), None)


def _set_default(headers: dict[str, str], name: str, value: str) -> None:
    if all(each.lower() != name.lower() for each in headers):
        headers[name] = value
