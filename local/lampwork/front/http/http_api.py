import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from lampwork.errors import FunctionNotFound, LampworkError, MalformedPath
from lampwork.events.caller import Caller
from lampwork.events.http_api import (
    MalformedResponse,
    delivered_path,
    http_event,
    http_response,
)
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import proxy_event, proxy_response
from lampwork.front.authorizers.http import HttpAuthorizers
from lampwork.front.authorizers.refusals import AuthorizerFailed, Denied, Refused
from lampwork.front.aws_services import AwsServices
from lampwork.front.http.cors import CrossOrigin
from lampwork.front.http.http_proxy import passed_on
from lampwork.front.http.parameter_mapping import ParameterChanges
from lampwork.front.http.rest.sources import Refused as Unanswered
from lampwork.front.http.service_calls import service_call
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.invocation.port import Invoker
from lampwork.invocation.timed_call import EventTooLarge, IntegrationTimeout, call
from lampwork.stack.model import HttpApi
from lampwork.stack.parameter_mapping import ParameterMapping
from lampwork.stack.router import Match, Router
from lampwork.stack.service_integrations import ServiceIntegration

# What a service's answer says of its own connection.
ANSWER_ONLY: Final = frozenset({"connection", "content-length", "content-type", "date", "server"})
JSON: Final = "application/x-amz-json-1.0"
logger = logging.getLogger(__name__)


class HttpApiGateway:
    """Serves one HTTP API. The route's function answers, or the gateway with an error of its own.

    Authorizers and CORS settings are prepared once, when the template is read.
    """

    def __init__(
        self,
        api: HttpApi,
        invoker: Invoker,
        *,
        time_scale: float = 1,
        aws: tuple[str, int] | None = None,
    ) -> None:
        self._api = api
        self._invoker = invoker
        self._router = Router(api.routes)
        self._prefix = "" if api.stage == "$default" else f"/{api.stage}"
        self._authorizers = HttpAuthorizers(api, invoker, time_scale=time_scale, aws=aws)
        self._services = AwsServices(aws)
        self._cors = CrossOrigin(api.cors) if api.cors else None

    @property
    def api_id(self) -> str:
        return self._api.api_id

    def match(self, request: Request) -> Match | Response | None:
        """The route for this request, or the gateway's own answer.

        A named stage is the first segment of the path. None means that the path belongs to another
        stage, or that `$default` has no route for it.
        """
        path = request.path
        if self._prefix:
            if path != self._prefix and not path.startswith(self._prefix + "/"):
                return None
            path = path[len(self._prefix) :] or "/"
        if self._cors and (preflight := self._cors.preflight(request)):
            preflight.headers.append(("apigw-requestid", new_id()))
            return preflight
        if "%" in path and not _can_be_delivered(path):
            return gateway_error(400, "Bad Request")
        match = self._router.match(request.method, path)
        return match or (gateway_error(404, "Not Found") if self._prefix else None)

    async def serve(self, request: Request, match: Match) -> Response:
        request_id = new_id()
        response = await self._answer(request, match, request_id)
        response.headers.append(("apigw-requestid", request_id))
        return self._cors.apply(request, response) if self._cors else response

    async def _answer(self, request: Request, match: Match, request_id: str) -> Response:
        caller = None
        if authorizer := match.route.authorizer:
            try:
                caller = await self._authorizers.authorize(authorizer, request, match, request_id)
            except Refused as refused:
                return _refusal(refused)
            except AuthorizerFailed:
                return json_message(500, "Internal Server Error")
        try:
            if match.route.mapping is not None:
                return await self._mapped(match.route.mapping, request, match, request_id, caller)
            if match.route.integration is not None:
                return await passed_on(request, match, match.route.integration)
            return await self._call(request, match, request_id, caller)
        except Unanswered as error:
            _log(match, error)
            status = 503 if error.error.status == 504 else 500
            return json_message(
                status, "Service Unavailable" if status == 503 else "Internal Server Error"
            )
        except (MalformedResponse, FunctionNotFound) as error:
            _log(match, error)
            return json_message(500, "Internal Server Error")
        except EventTooLarge as error:
            _log(match, error)
            return json_message(413, "Request Entity Too Large")
        except (IntegrationTimeout, LampworkError) as error:
            _log(match, error)
            return json_message(503, "Service Unavailable")

    async def _mapped(
        self,
        mapping: ParameterMapping,
        request: Request,
        match: Match,
        request_id: str,
        caller: Caller | None,
    ) -> Response:
        """The answer of a route that changes what goes to its integration and what comes back."""
        event = http_event(
            request,
            self._api,
            match.route,
            match.parameters,
            request_id=request_id,
            moment=Moment.now(),
            caller=caller,
        )
        changes = ParameterChanges(mapping, event)
        if match.route.integration is not None:
            answer = await passed_on(request, match, match.route.integration, changes)
        elif match.route.service is not None:
            answer = await self._call(request, match, request_id, caller)
        else:
            answer = await self._call(changes.of_request(request), match, request_id, caller)
        return changes.of_response(answer)

    async def _call(
        self, request: Request, match: Match, request_id: str, caller: Caller | None
    ) -> Response:
        route, moment = match.route, Moment.now()
        if first_format := route.payload_format == "1.0":
            event = proxy_event(
                request, self._api, match, request_id=request_id, moment=moment, caller=caller
            )
        else:
            event = http_event(
                request,
                self._api,
                route,
                match.parameters,
                request_id=request_id,
                moment=moment,
                caller=caller,
            )
        if route.service is not None:
            return await self._ask(route.service, event, route.timeout_seconds)
        invocation = await call(self._invoker, route.function, event, route.timeout_seconds)
        if invocation.function_error:
            return json_message(500, "Internal Server Error")
        if first_format:
            return proxy_response(invocation.payload)
        return http_response(invocation.payload)

    async def _ask(
        self, service: ServiceIntegration, event: Mapping[str, Any], seconds: float
    ) -> Response:
        """An AWS service's answer to a route that leads to one."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._services.serve(service_call(service, event))
        except TimeoutError as error:
            raise IntegrationTimeout(f"{service.subtype} did not answer in time") from error
        kept = [(n, v) for n, v in answer.headers if n.lower() not in ANSWER_ONLY]
        return Response(answer.status, [*kept, ("content-type", JSON)], answer.body)


def gateway_error(status: int, message: str) -> Response:
    response = json_message(status, message)
    response.headers.append(("apigw-requestid", new_id()))
    return response


def _can_be_delivered(path: str) -> bool:
    try:
        delivered_path(path)
    except MalformedPath:
        return False
    return True


def _refusal(refused: Refused) -> Response:
    if isinstance(refused, Denied):
        response = json_message(403, "Forbidden")
    else:
        response = json_message(401, "Unauthorized")
    if refused.challenge:
        response.headers.append(("www-authenticate", refused.challenge))
    return response


def _log(match: Match, error: Exception) -> None:
    logger.warning(
        "the gateway answers instead of a function",
        extra={"route": match.route.key, "function": match.route.function, "reason": str(error)},
    )
