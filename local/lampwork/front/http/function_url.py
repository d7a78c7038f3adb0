import logging
import uuid
from typing import Any, Final

from lampwork.errors import LampworkError, Throttled
from lampwork.events.caller import Caller
from lampwork.events.forwarding import forwarding_headers
from lampwork.events.function_url import BINARY, raw_response, url_event, url_response
from lampwork.events.http_api import MalformedResponse
from lampwork.events.streamed_answers import url_head
from lampwork.front.http.cors import CrossOrigin
from lampwork.front.http.streamed import passed_on, read_prelude
from lampwork.front.signature import caller, is_signed
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.invocation.port import Invoker
from lampwork.invocation.prelude import WITH_PRELUDE
from lampwork.invocation.streamed_call import StreamBroken, StreamedCall
from lampwork.invocation.timed_call import EventTooLarge, IntegrationTimeout, call, payload_of
from lampwork.stack.model import FunctionUrl, HttpApi, HttpRoute
from lampwork.stack.router import Match

logger = logging.getLogger(__name__)

# localstack/localstack, test_lambda.snapshot.json, test_lambda_permission_url_invocation.
FORBIDDEN: Final = (
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see:'
    b' https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
)


class FunctionUrlGateway:
    """Serves a function URL. Every path and method invokes the function, in payload format 2.0.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    """

    def __init__(self, url: FunctionUrl, invoker: Invoker) -> None:
        self._url = url
        self._invoker = invoker
        self._match = Match(HttpRoute("ANY", "$default", url.function, url.timeout_seconds))
        self._api = HttpApi(url.logical_id, url.url_id, "$default", (self._match.route,))
        self._cors = CrossOrigin(url.cors, preflight_status=200) if url.cors else None

    @property
    def api_id(self) -> str:
        return self._url.url_id

    def match(self, request: Request) -> Match | Response | None:
        preflight = self._cors.preflight(request) if self._cors else None
        return preflight or self._match

    async def serve(self, request: Request, match: Match) -> Response:
        request_id = str(uuid.uuid4())
        response = await self._answer(request, match, request_id)
        trace = next(v for name, v in forwarding_headers(request) if name == "X-Amzn-Trace-Id")
        response.headers += [("x-amzn-requestid", request_id), ("x-amzn-trace-id", trace)]
        return self._cors.apply(request, response) if self._cors else response

    async def _answer(self, request: Request, match: Match, request_id: str) -> Response:
        identity = None
        if self._url.authorizer:
            if not is_signed(request):
                return _refusal(403, "AccessDeniedException", FORBIDDEN)
            identity = Caller("iam", caller(request))
        event = url_event(request, self._api, match.route, request_id=request_id, caller=identity)
        try:
            if self._url.streams:
                return await self._stream(event, request_id)
            invocation = await call(
                *(self._invoker, self._url.function, event, self._url.timeout_seconds),
                request_id=request_id,
            )
            if invocation.function_error:  # the function's log already shows the error
                return _failed()
            return url_response(invocation.payload)
        except EventTooLarge as error:
            self._log(error)
            return _refusal(413, "RequestTooLargeException", b'{"Message":"Request Too Long"}')
        except Throttled as error:
            self._log(error)
            return _refusal(429, "TooManyRequestsException", b'{"Message":"Rate Exceeded."}')
        except (LampworkError, IntegrationTimeout, MalformedResponse, StreamBroken) as error:
            self._log(error)
            return _failed()

    async def _stream(self, event: dict[str, Any], request_id: str) -> Response:
        """The response of a URL whose invoke mode is RESPONSE_STREAM, once its head is known."""
        function = self._url.function
        stream = StreamedCall(self._invoker, function, payload_of(event), request_id=request_id)
        try:
            whole = await stream.begun()
            if whole is not None and whole.function_error:
                return _failed()
            if stream.content_type is None and whole is not None:
                return raw_response(whole.payload)
            if stream.content_type != WITH_PRELUDE:
                head = Response(200, [("content-type", stream.content_type or BINARY)])
                return passed_on(head, stream)
            prelude, first = await read_prelude(stream)
            return passed_on(url_head(prelude, BINARY), stream, first)
        except (MalformedResponse, StreamBroken):
            stream.leave()
            raise

    def _log(self, error: Exception) -> None:
        logger.warning(
            "the function URL answers instead of its function",
            extra={"function": self._url.function, "reason": str(error)},
        )


def _failed() -> Response:
    return _refusal(502, "InternalServerErrorException", b"Internal Server Error")


def _refusal(status: int, kind: str, body: bytes) -> Response:
    media_type = "application/json" if body.startswith(b"{") else "text/plain"
    return Response(status, [("content-type", media_type), ("x-amzn-errortype", kind)], body)
