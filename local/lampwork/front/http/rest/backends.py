"""Where integrations lead: a Lambda function, the embedded AWS, an HTTP server, or nowhere."""

import asyncio
import http.client
import json
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

from lampwork.errors import LampworkError
from lampwork.front.aws_services import AwsServices
from lampwork.front.http.rest import services
from lampwork.front.http.rest.services import BackendRequest, Headers
from lampwork.front.http.rest.sources import Refused
from lampwork.front.http.rest_errors import CONFIGURATION, INTEGRATION_FAILURE, NOT_RUN, TIMED_OUT
from lampwork.invocation.limits import MAX_EVENT
from lampwork.invocation.port import Invoker
from lampwork.json_text import parsed
from lampwork.stack.model import HttpRoute
from lampwork.stack.rest_methods import Integration

BODILESS_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
STATUS: Final = re.compile(r"""["']?statusCode["']?\s*:\s*(\d{3})\b""")
STAGE_VARIABLE: Final = re.compile(r"\$\{stageVariables\.([\w-]+)\}")
PATH_PARAMETER: Final = re.compile(r"\{([\w.-]+)\+?\}")


@dataclass(slots=True)
class BackendAnswer:
    """An integration's answer. What selects its response is the `selected_by`: the status, or the
    error of a Lambda function."""

    status: int
    headers: Headers
    body: bytes
    selected_by: str


class Backends:
    """Calls integrations for one REST API.

    `submit` takes an event for a function that nobody waits for.
    """

    def __init__(
        self, invoker: Invoker, aws: AwsServices, submit: Callable[[str, bytes], object]
    ) -> None:
        self._invoker = invoker
        self._aws = aws
        self._submit = submit

    async def call(
        self, route: HttpRoute, integration: Integration, request: BackendRequest
    ) -> BackendAnswer:
        """
        Raises:
            Refused: the integration does not answer, or not in time.
        """
        match integration.kind:
            case "MOCK":
                return _mock(request)
            case "AWS" if integration.function is not None:
                return await in_time(self._lambda(integration.function, request), route)
            case "AWS":
                return await in_time(self._service(request), route)
            case "HTTP" | "HTTP_PROXY":
                return await in_time(over_http(request), route)

    async def _lambda(self, function: str, request: BackendRequest) -> BackendAnswer:
        payload = request.body or b"{}"
        try:
            parsed(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            problem = {"Type": "User", "message": message}
            return BackendAnswer(400, [], json.dumps(problem).encode(), "")
        if (request.header("x-amz-invocation-type") or "").strip("'").lower() == "event":
            self._submit(function, payload)
            return BackendAnswer(202, [], b"", "")
        if len(payload) > MAX_EVENT:
            raise Refused(INTEGRATION_FAILURE, "the mapped body is larger than Lambda takes")
        try:
            invocation = await self._invoker.invoke(function, payload)
        except LampworkError as error:
            raise Refused(NOT_RUN, str(error)) from error
        return BackendAnswer(200, [], invocation.payload, _error_message(invocation.payload))

    async def _service(self, request: BackendRequest) -> BackendAnswer:
        wanted = services.service_request(request)
        if wanted is None:
            raise Refused(CONFIGURATION, f"{request.uri} is no address of an AWS service")
        answer = await self._aws.serve(wanted)
        headers, body = services.service_answer(request, answer)
        return BackendAnswer(answer.status, headers, body, str(answer.status))


def _mock(request: BackendRequest) -> BackendAnswer:
    """The status is the template's `statusCode`, also in JSON as CDK writes it: {statusCode: 200}.

    Recorded on AWS: localstack/localstack, test_apigateway_integrations.snapshot.json,
    test_integration_mock_with_path_param.
    """
    found = STATUS.search(request.body.decode("utf-8", "replace"))
    if found is None:
        raise Refused(CONFIGURATION, "the mock's request template has no statusCode")
    return BackendAnswer(int(found[1]), [], b"", found[1])


def _error_message(payload: bytes) -> str:
    try:
        answer = parsed(payload)
    except ValueError:
        return ""
    message = answer.get("errorMessage") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else ""


async def in_time(answer: Awaitable[BackendAnswer], route: HttpRoute) -> BackendAnswer:
    try:
        async with asyncio.timeout(route.timeout_seconds):
            return await answer
    except TimeoutError as error:
        reason = f"the integration did not answer within {route.timeout_seconds:g} s"
        raise Refused(TIMED_OUT, reason) from error


async def over_http(request: BackendRequest) -> BackendAnswer:
    """The answer of an HTTP server: in a thread, since the standard library's client waits."""
    return await asyncio.to_thread(_exchange, request)


def _exchange(request: BackendRequest) -> BackendAnswer:
    url = urlsplit(request.uri)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Refused(CONFIGURATION, f"{request.uri} is no address of an HTTP server")
    query = "&".join(filter(None, (url.query, request.query_string)))
    target = quote(url.path or "/", safe="/%:@+,;=!$&'()*~") + (f"?{query}" if query else "")
    body = None if request.method in BODILESS_METHODS else request.body
    connection = _connection(url.scheme, url.hostname, url.port)
    try:
        connection.request(request.method, target, body, request.headers)
        response = connection.getresponse()
        headers = [(n, v) for n, v in response.getheaders() if n.lower() != "transfer-encoding"]
        return BackendAnswer(response.status, headers, response.read(), str(response.status))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(CONFIGURATION, f"{request.uri} does not answer: {error}") from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=30, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=30)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def rendered_uri(
    integration: Integration, path: Mapping[str, str], stage_variables: Mapping[str, str]
) -> str:
    """The URI with its {path parameters} and ${stageVariables.…}."""

    def parameter(found: re.Match[str]) -> str:
        return quote(path[found[1]], safe="/") if found[1] in path else found[0]

    uri = STAGE_VARIABLE.sub(lambda found: stage_variables.get(found[1], ""), integration.uri)
    return PATH_PARAMETER.sub(parameter, uri)
