from collections.abc import Mapping

from lampwork.events.caller import Caller
from lampwork.events.websocket_api import Connection, authorizer_event
from lampwork.front.authorizers.function import FunctionAuthorizer
from lampwork.front.authorizers.identity_sources import identity
from lampwork.front.authorizers.refusals import Denied, Unauthenticated
from lampwork.front.signature import is_signed
from lampwork.http.request import Request
from lampwork.invocation.port import Invoker
from lampwork.stack.authorization import Authorizer, IamAuthorizer, LambdaAuthorizer
from lampwork.stack.model import ACCOUNT_ID, WebSocketApi

TIMEOUT_SECONDS = 29


async def authorize(
    authorizer: Authorizer,
    api: WebSocketApi,
    invoker: Invoker,
    connection: Connection,
    request: Request,
    query: str,
    request_id: str,
) -> Caller | None:
    """The caller who asks to connect; None if IAM allows the connection.

    A WebSocket API does not cache answers, so the function is asked at each handshake.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html

    Raises:
        Refused: the caller may not connect.
        AuthorizerFailed: the authorizer could not decide.
        TypeError: WebSocket APIs cannot have an authorizer of this type.
    """
    if isinstance(authorizer, IamAuthorizer):
        if not is_signed(request):
            raise Denied
        return None
    if not isinstance(authorizer, LambdaAuthorizer):
        raise TypeError(f"WebSocket APIs cannot use {authorizer}.")
    arn = f"arn:aws:execute-api:{api.region}:{ACCOUNT_ID}:{api.api_id}/{api.stage}/$connect"
    event = authorizer_event(connection, request, query, request_id, arn)
    context: Mapping[str, object] = event["requestContext"]
    sources = authorizer.identity_sources
    if identity(sources, request, query, api.stage_variables, context) is None:
        raise Unauthenticated
    function = FunctionAuthorizer(authorizer, invoker, timeout_seconds=TIMEOUT_SECONDS)
    return await function.ask((), arn, lambda: event)
