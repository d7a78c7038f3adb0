from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lampwork.events.caller import Caller
from lampwork.events.http_api import http_event
from lampwork.events.identifiers import Moment
from lampwork.events.rest_api import authorizer_event
from lampwork.front.authorizers.function import FunctionAuthorizer
from lampwork.front.authorizers.identity_sources import identity
from lampwork.front.authorizers.refusals import Denied, Unauthenticated
from lampwork.front.signature import caller, is_signed
from lampwork.http.request import Request
from lampwork.invocation.port import Invoker
from lampwork.stack.authorization import (
    Authorizer,
    IamAuthorizer,
    JwtAuthorizer,
    LambdaAuthorizer,
    PoolAuthorizer,
)
from lampwork.stack.model import ACCOUNT_ID, HttpApi
from lampwork.stack.router import Match

if TYPE_CHECKING:
    from lampwork.front.authorizers.tokens.jwt import JwtVerifier as TokenVerifier

TIMEOUT_SECONDS = 10


class HttpAuthorizers:
    """Asks the authorizers of one HTTP API's routes.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
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
        self._functions: dict[Authorizer, FunctionAuthorizer] = {}
        self._verifiers: dict[Authorizer, TokenVerifier] = {}
        for authorizer in {route.authorizer for route in api.routes}:
            if isinstance(authorizer, LambdaAuthorizer):
                self._functions[authorizer] = FunctionAuthorizer(
                    authorizer, invoker, timeout_seconds=TIMEOUT_SECONDS, time_scale=time_scale
                )
            elif isinstance(authorizer, JwtAuthorizer):
                # Imported only when needed, because it loads a cryptography library.
                from lampwork.front.authorizers.tokens.issuer_keys import places_with
                from lampwork.front.authorizers.tokens.jwt import JwtVerifier

                self._verifiers[authorizer] = JwtVerifier(authorizer, places_with(aws))

    async def authorize(
        self, authorizer: Authorizer, request: Request, match: Match, request_id: str
    ) -> Caller:
        """The caller of the matched route.

        Raises:
            Refused: the caller may not call it.
            AuthorizerFailed: the authorizer could not decide.
        """
        match authorizer:
            case IamAuthorizer():
                if not is_signed(request):
                    raise Denied
                return Caller("iam", caller(request))
            case JwtAuthorizer(identity_source=source):
                found = identity([source], request, request.query, self._api.stage_variables, {})
                if found is None:
                    raise Unauthenticated("Bearer")
                return await self._verifiers[authorizer].verify(found[0], match.route.scopes)
            case LambdaAuthorizer():
                return await self._ask(authorizer, request, match, request_id)
            case PoolAuthorizer():
                raise TypeError(f"HTTP APIs cannot use {authorizer}.")

    async def _ask(
        self, authorizer: LambdaAuthorizer, request: Request, match: Match, request_id: str
    ) -> Caller:
        api, moment = self._api, Moment.now()
        event = http_event(
            request, api, match.route, match.parameters, request_id=request_id, moment=moment
        )
        found = identity(
            authorizer.identity_sources,
            request,
            request.query,
            api.stage_variables,
            _context_variables(event),
        )
        if found is None:
            raise Unauthenticated
        arn = _route_arn(api, request)

        def question() -> dict[str, Any]:
            if authorizer.payload_format == "1.0":
                event_1 = authorizer_event(request, api, match, request_id, moment, arn)
                values = ",".join(found)
                return {
                    "version": "1.0",
                    **event_1,
                    "identitySource": values,
                    "authorizationToken": values,
                }
            body = ("body", "isBase64Encoded")
            rest = {name: value for name, value in event.items() if name not in body}
            source = list(found) if found else None
            return {**rest, "type": "REQUEST", "routeArn": arn, "identitySource": source}

        return await self._functions[authorizer].ask(found, arn, question)


def _route_arn(api: HttpApi, request: Request) -> str:
    path = request.path
    if api.stage != "$default":
        path = path[len(api.stage) + 1 :]
    where = f"{api.api_id}/{api.stage}/{request.method}/{path.lstrip('/')}"
    return f"arn:aws:execute-api:{api.region}:{ACCOUNT_ID}:{where}"


def _context_variables(event: Mapping[str, Any]) -> dict[str, Any]:
    """The `$context` variables that an identity source can use to tell callers apart.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
    """
    context = event["requestContext"]
    http = context["http"]
    return {
        **{name: value for name, value in context.items() if name != "http"},
        "httpMethod": http["method"],
        "path": http["path"],
        "protocol": http["protocol"],
        "identity": {"sourceIp": http["sourceIp"], "userAgent": http["userAgent"]},
    }
