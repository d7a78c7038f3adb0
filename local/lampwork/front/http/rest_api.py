import logging
import re
import uuid
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from lampwork.errors import LampworkError
from lampwork.events.caller import Caller
from lampwork.events.http_api import MalformedResponse
from lampwork.events.identifiers import Moment, http_date, new_id, whole_trace
from lampwork.events.rest_api import authorizer_event, is_binary, proxy_event, rest_response
from lampwork.events.streamed_answers import rest_head
from lampwork.front.authorizers.function import FunctionAuthorizer
from lampwork.front.authorizers.identity_sources import identity
from lampwork.front.authorizers.refusals import AuthorizerFailed, Denied, Unauthenticated
from lampwork.front.http import rest_errors
from lampwork.front.http.rest.api_keys import UsagePlans
from lampwork.front.http.rest.backends import Backends
from lampwork.front.http.rest.sources import Refused
from lampwork.front.http.rest.validation import RequestValidator
from lampwork.front.http.rest_errors import RestError, rest_error
from lampwork.front.http.streamed import passed_on, read_prelude
from lampwork.front.signature import caller, is_signed
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.invocation.port import Invoker
from lampwork.invocation.streamed_call import StreamBroken, StreamedCall
from lampwork.invocation.timed_call import EventTooLarge, IntegrationTimeout, call, payload_of
from lampwork.stack.authorization import (
    Authorizer,
    IamAuthorizer,
    LambdaAuthorizer,
    PoolAuthorizer,
)
from lampwork.stack.model import ACCOUNT_ID, RestApi
from lampwork.stack.router import Match, Router

if TYPE_CHECKING:
    from lampwork.front.authorizers.tokens.user_pools import PoolVerifier
    from lampwork.front.http.rest.integration import IntegrationRunner

logger = logging.getLogger(__name__)

AUTHORIZER_TIMEOUT_SECONDS = 29
NOT_STREAMED = (
    "The function does not stream, but the route's responseTransferMode is STREAM: API Gateway"
    " needs a stream that begins with its status and headers."
)


class RestApiGateway:
    """Serves one stage of a REST API: Lambda proxy integrations and, with `backends`, all others.

    What a route needs besides its function is prepared once, when the template is read.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """

    def __init__(
        self,
        api: RestApi,
        invoker: Invoker,
        backends: Backends,
        *,
        time_scale: float = 1,
        aws: tuple[str, int] | None = None,
    ) -> None:
        self._api = api
        self._integrations = _integrations(api, backends)
        self._plans = UsagePlans(api)
        self._validators = {
            route.key: RequestValidator(route.checks) for route in api.routes if route.checks
        }
        self._invoker = invoker
        self._router = Router(api.routes, decodes=False)
        self._prefix = f"/{api.stage}"
        self._functions = {
            authorizer: FunctionAuthorizer(
                authorizer,
                invoker,
                timeout_seconds=AUTHORIZER_TIMEOUT_SECONDS,
                time_scale=time_scale,
            )
            for authorizer in {route.authorizer for route in api.routes}
            if isinstance(authorizer, LambdaAuthorizer)
        }
        self._pools = _pool_verifiers(api, aws)

    @property
    def stage(self) -> str:
        return self._api.stage

    @property
    def api_id(self) -> str:
        return self._api.api_id

    def match(self, request: Request) -> Match | Response | None:
        """The route for this request or the gateway's own answer; None for another stage's path.

        Slashes before the stage, after it and at the end do not count. Recorded on AWS:
        localstack/localstack, tests/aws/services/apigateway/test_apigateway_lambda.snapshot.json,
        test_lambda_aws_proxy_integration.
        """
        path = f"/{request.path.lstrip('/')}"
        if path != self._prefix and not path.startswith(self._prefix + "/"):
            return None
        match = self._router.match(request.method, f"/{path[len(self._prefix) :].strip('/')}")
        return match or self._error(rest_errors.MISSING_TOKEN, request, str(uuid.uuid4()))

    async def serve(self, request: Request, match: Match) -> Response:
        request_id = str(uuid.uuid4())
        try:
            caller = await self._authorize(match.route.authorizer, request, match, request_id)
        except Unauthenticated:
            return self._error(rest_errors.UNAUTHORIZED, request, request_id)
        except Denied as denied:
            error = rest_errors.EXPLICITLY_DENIED if denied.explicit else rest_errors.DENIED
            return self._error(error, request, request_id)
        except AuthorizerFailed:
            return self._error(rest_errors.AUTHORIZER_FAILED, request, request_id)
        if isinstance(caller, RestError):
            return self._error(caller, request, request_id)
        route, key = match.route, None
        if route.needs_api_key:
            admitted = self._plans.admit(request, caller)
            if isinstance(admitted, RestError):
                return self._error(admitted, request, request_id)
            key = admitted
        if route.checks and (
            refusal := self._validators[route.key].refusal(request, match.parameters)
        ):
            return self._error(refusal.error, request, request_id, refusal.details)
        extended_id = new_id()
        event = proxy_event(
            *(request, self._api, match),
            request_id=request_id,
            moment=Moment.now(),
            extended_id=extended_id,
            caller=caller,
        )
        if key:
            identity = event["requestContext"]["identity"]
            identity |= {"apiKey": key.value, "apiKeyId": key.key_id}
        if self._integrations and route.integration:
            answer = self._integrations.run(route, route.integration, request, event)
            return await self._integrate(answer, request, match, event)
        return await self._invoke(request, match, event)

    async def _integrate(
        self, answer: Awaitable[Response], request: Request, match: Match, event: dict[str, Any]
    ) -> Response:
        context = event["requestContext"]
        try:
            response = await answer
        except Refused as refused:
            _log(match, refused)
            return self._error(refused.error, request, context["requestId"])
        return _with_ids(response, context["requestId"], context["extendedRequestId"])

    async def _invoke(self, request: Request, match: Match, event: dict[str, Any]) -> Response:
        route, context = match.route, event["requestContext"]
        request_id = context["requestId"]
        try:
            if route.streams:
                return await self._stream(match, event)
            invocation = await call(self._invoker, route.function, event, route.timeout_seconds)
            if invocation.function_error:  # the function's log already shows the error
                return self._error(rest_errors.MALFORMED, request, request_id)
            binary = is_binary(request.header("accept"), self._api.binary_media_types)
            response = rest_response(invocation.payload, decode=binary)
            return _traced(response, event)
        except (MalformedResponse, StreamBroken) as error:
            _log(match, error)
            return self._error(rest_errors.MALFORMED, request, request_id)
        except EventTooLarge as error:
            _log(match, error)
            return self._error(rest_errors.TOO_LARGE, request, request_id)
        except IntegrationTimeout as error:
            _log(match, error)
            return self._error(rest_errors.TIMED_OUT, request, request_id)
        except LampworkError as error:
            _log(match, error)
            return self._error(rest_errors.NOT_RUN, request, request_id)

    async def _stream(self, match: Match, event: dict[str, Any]) -> Response:
        """The response of a route whose transfer mode is STREAM, once its head is known.

        Raises:
            MalformedResponse: the function does not stream, or without a head.
            StreamBroken: the function failed before its answer began.
        """
        route = match.route
        stream = StreamedCall(
            self._invoker,
            route.function,
            payload_of(event),
            seconds=route.timeout_seconds,
            idle_seconds=self._api.idle_seconds,
        )
        try:
            if whole := await stream.begun():
                raise StreamBroken(whole.failure or NOT_STREAMED)
            prelude, first = await read_prelude(stream)
            return _traced(passed_on(rest_head(prelude), stream, first), event)
        except (MalformedResponse, StreamBroken):
            stream.leave()
            raise

    async def _authorize(
        self, authorizer: Authorizer | None, request: Request, match: Match, request_id: str
    ) -> Caller | RestError | None:
        if isinstance(authorizer, IamAuthorizer):
            if not is_signed(request):
                return rest_errors.MISSING_TOKEN
            return Caller("iam", caller(request))
        if isinstance(authorizer, LambdaAuthorizer):
            return await self._ask(authorizer, request, match, request_id)
        if isinstance(authorizer, PoolAuthorizer):
            source, variables = authorizer.identity_source, self._api.stage_variables
            found = identity([source], request, request.query, variables, {})
            if found is None:
                raise Unauthenticated
            return await self._pools[authorizer].verify(found[0], match.route.scopes)
        return None

    async def _ask(
        self, authorizer: LambdaAuthorizer, request: Request, match: Match, request_id: str
    ) -> Caller:
        api = self._api
        path = request.path[len(self._prefix) :].lstrip("/")
        where = f"{api.api_id}/{api.stage}/{request.method}/{path}"
        arn = f"arn:aws:execute-api:{api.region}:{ACCOUNT_ID}:{where}"
        event = authorizer_event(request, api, match, request_id, Moment.now(), arn)
        key = identity(
            authorizer.identity_sources,
            request,
            request.query,
            api.stage_variables,
            event["requestContext"],
        )
        if key is None:
            raise Unauthenticated
        if authorizer.kind == "TOKEN":
            if authorizer.pattern and not re.match(authorizer.pattern, key[0]):
                raise Unauthenticated
            event = {"type": "TOKEN", "methodArn": arn, "authorizationToken": key[0]}
        return await self._functions[authorizer].ask(key, arn, lambda: event)

    def _error(
        self, error: RestError, request: Request, request_id: str, details: str = ""
    ) -> Response:
        context = {
            "requestId": request_id,
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "path": f"/{request.path.lstrip('/')}",
            "stage": self._api.stage,
            "identity.sourceIp": request.peer[0],
            "error.validationErrorString": details,
        }
        answer = rest_error(error, request, self._api.gateway_responses, context)
        return _with_ids(answer, request_id)


def _integrations(api: RestApi, backends: Backends) -> "IntegrationRunner | None":
    """None where all routes are proxies of functions: mapping templates take 11 ms to import."""
    if not any(route.integration for route in api.routes):
        return None
    from lampwork.front.http.rest.integration import IntegrationRunner

    return IntegrationRunner(api, backends)


def _pool_verifiers(
    api: RestApi, aws: tuple[str, int] | None
) -> "dict[PoolAuthorizer, PoolVerifier]":
    pools = {each.authorizer for each in api.routes if isinstance(each.authorizer, PoolAuthorizer)}
    if not pools:
        return {}
    # Imported only when needed, because it loads a cryptography library.
    from lampwork.front.authorizers.tokens.issuer_keys import places_with
    from lampwork.front.authorizers.tokens.user_pools import PoolVerifier

    return {authorizer: PoolVerifier(authorizer, places_with(aws)) for authorizer in pools}


def no_stage(request: Request) -> Response:
    """The answer of API Gateway when the API has no stage of that name."""
    return _with_ids(rest_error(rest_errors.FORBIDDEN, request, {}, {}), str(uuid.uuid4()))


def _with_ids(response: Response, request_id: str, extended_id: str | None = None) -> Response:
    response.headers += [
        ("Date", http_date()),
        ("x-amzn-RequestId", request_id),
        ("x-amz-apigw-id", extended_id or new_id()),
    ]
    return response


def _traced(response: Response, event: dict[str, Any]) -> Response:
    trace = whole_trace(event["headers"]["X-Amzn-Trace-Id"])
    response.headers.append(("X-Amzn-Trace-Id", trace))
    context = event["requestContext"]
    return _with_ids(response, context["requestId"], context["extendedRequestId"])


def _log(match: Match, error: Exception) -> None:
    logger.warning(
        "the gateway answers instead of a function",
        extra={"route": match.route.key, "function": match.route.function, "reason": str(error)},
    )
