"""Routes of HTTP APIs that pass their requests on to an HTTP server.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
"""

from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

from lampwork.events.http_api import HOP_BY_HOP
from lampwork.front.http.parameter_mapping import ParameterChanges, joined
from lampwork.front.http.rest.backends import in_time, over_http, rendered_uri
from lampwork.front.http.rest.services import BackendRequest
from lampwork.front.http.rest.sources import Mapped
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.rest_methods import Integration
from lampwork.stack.router import Match

NOT_PASSED: Final = HOP_BY_HOP | {"host", "content-length"}


async def passed_on(
    request: Request,
    match: Match,
    integration: Integration,
    changes: ParameterChanges | None = None,
) -> Response:
    """The server's answer. {parameters} of its address are those of the route's path.

    Raises:
        Refused: the server does not answer, or not in time.
    """
    uri = rendered_uri(integration, match.parameters, {})
    passed = [(n, v) for n, v in request.headers if n.lower() not in NOT_PASSED]
    text = request.query
    if changes is not None:
        passed, text = changes.of_headers(passed), changes.of_query(text)
        if path := changes.path:
            uri = urlunsplit(urlsplit(uri)._replace(path=path))
    query: dict[str, Mapped] = dict(parse_qs(text, keep_blank_values=True))
    wanted = BackendRequest(
        method=request.method if integration.method == "ANY" else integration.method,
        uri=uri,
        headers=joined(passed),
        query=query,
        body=request.body,
    )
    answer = await in_time(over_http(wanted), match.route)
    headers = [(n, v) for n, v in answer.headers if n.lower() not in NOT_PASSED]
    return Response(answer.status, headers, answer.body)
