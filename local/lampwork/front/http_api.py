import logging

from lampwork.errors import FunctionNotFound, LampworkError
from lampwork.front.http_events import MalformedResponse, http_event, http_response
from lampwork.front.identifiers import Moment, new_id
from lampwork.front.integration import IntegrationTimeout, call
from lampwork.front.router import Match, Router
from lampwork.http1 import Request, Response, json_message
from lampwork.invocation import Invoker
from lampwork.model import HttpApi

logger = logging.getLogger(__name__)


class HttpApiGateway:
    """Serves one HTTP API: the route's function answers, or the gateway with its own errors."""

    def __init__(self, api: HttpApi, invoker: Invoker) -> None:
        self._api = api
        self._invoker = invoker
        self._router = Router(api.routes)
        self._prefix = "" if api.stage == "$default" else f"/{api.stage}"

    def match(self, request: Request) -> Match | None:
        """The route for this request; a named stage is the first segment of the path."""
        path = request.path
        if self._prefix:
            if path != self._prefix and not path.startswith(self._prefix + "/"):
                return None
            path = path[len(self._prefix) :] or "/"
        return self._router.match(request.method, path)

    async def serve(self, request: Request, match: Match) -> Response:
        request.route = match.route.key
        request_id = new_id()
        event = http_event(
            request,
            self._api,
            match.route,
            match.parameters,
            request_id=request_id,
            moment=Moment.now(),
        )
        try:
            invocation = await call(
                self._invoker, match.route.function, event, match.route.timeout_seconds
            )
            if invocation.function_error:
                return gateway_error(500, "Internal Server Error", request_id)
            return http_response(invocation.payload, request_id=request_id)
        except (MalformedResponse, FunctionNotFound) as error:
            _log(match, error)
            return gateway_error(500, "Internal Server Error", request_id)
        except (IntegrationTimeout, LampworkError) as error:
            _log(match, error)
            return gateway_error(503, "Service Unavailable", request_id)


def gateway_error(status: int, message: str, request_id: str | None = None) -> Response:
    response = json_message(status, message)
    response.headers.append(("apigw-requestid", request_id or new_id()))
    return response


def _log(match: Match, error: Exception) -> None:
    logger.warning(
        "the gateway answers for a function",
        extra={"route": match.route.key, "function": match.route.function, "reason": str(error)},
    )
