import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from lampwork.front.aws_services import AwsServices, is_open, is_public
from lampwork.front.cloudformation import CloudFormationApi
from lampwork.front.control.history_api import HistoryApi
from lampwork.front.control.paths import ControlPaths, Testing
from lampwork.front.http.function_url import FunctionUrlGateway
from lampwork.front.http.http_api import HttpApiGateway, gateway_error
from lampwork.front.http.load_balancer import LoadBalancerGateway
from lampwork.front.http.rest.backends import Backends
from lampwork.front.http.rest_api import RestApiGateway, no_stage
from lampwork.front.http.static_files import StaticFiles
from lampwork.front.lambda_api import LambdaApi
from lampwork.front.options import AS_ON_AWS, FrontOptions
from lampwork.front.websocket import connections_api
from lampwork.front.websocket.websocket_api import WebSocketApiGateway
from lampwork.history.history import History, Recorder, Unrecorded
from lampwork.http import internal_paths
from lampwork.http.certificates import Certificates
from lampwork.http.connection import Answer, Handler, HttpProtocol, Pending
from lampwork.http.hosts import OwnHosts, host_of
from lampwork.http.listener import Listener
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.invocation.port import Invoker
from lampwork.metrics.metrics import Metrics
from lampwork.metrics.readings import Reading
from lampwork.permissions.callers import HEADER
from lampwork.permissions.guard import Guard
from lampwork.permissions.requests.asked import Call
from lampwork.stack.model import Stack, WebSocketApi
from lampwork.stack.own_addresses import hosts_of_templates
from lampwork.stack.router import Match
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.durable.executions import DurableFunctions
from lampwork.triggers.made_mappings import MadeMappings

logger = logging.getLogger(__name__)

STOP_SECONDS = 5

Gateway = HttpApiGateway | RestApiGateway | FunctionUrlGateway | LoadBalancerGateway


class Front:
    """The one port of a stack: HTTP APIs, WebSocket APIs, @connections and Lambda's Invoke API.

    `time_scale` multiplies every delay of the gateways (idle sockets, retries); 0.1 makes them ten
    times shorter.
    `aws` is the host and port to which requests signed for other AWS services go.
    `history` notes what is posted to sockets, and is served under /_lampwork/api/.
    `durable` are the executions of durable functions, which their SDK asks for. The `guard` is
    told what functions ask of Lambda's API and of @connections.
    `allowed_hosts` are the names that clients may use besides localhost, IP addresses, and those
    that the template names; `host` is the address to listen on.
    `testing` serves what tests ask of this process itself.
    `on_access` receives one line for each answer.
    """

    def __init__(
        self,
        stack: Stack,
        invoker: Invoker,
        *,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int,
        time_scale: float = 1,
        allowed_hosts: Collection[str] = (),
        metrics: Metrics | None = None,
        aws: tuple[str, int] | None = None,
        events: EventInvocations | None = None,
        mappings: MadeMappings | None = None,
        durable: DurableFunctions | None = None,
        history: History | None = None,
        guard: Guard | None = None,
        options: FrontOptions = AS_ON_AWS,
        testing: Testing | None = None,
        on_access: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._invoker = invoker
        self._metrics = metrics or Metrics()
        self._on_access = on_access
        self._control = ControlPaths(
            self._metrics, testing, HistoryApi(history, invoker) if history else None
        )
        self._recorder: Recorder = history or Unrecorded()
        self._hosts = OwnHosts({host, *allowed_hosts})
        self._aws = AwsServices(aws)
        self._aws_address = aws
        self._guard = guard
        self._cloudformation = CloudFormationApi(stack.deployed)
        self._time_scale = time_scale
        self._certificates = Certificates(data_dir / "tls", own=options.certificate)
        self._options = options
        self._static = StaticFiles(options.static_dir) if options.static_dir else None
        self._http_connections: set[HttpProtocol] = set()
        self._websocket_apis: dict[str, WebSocketApiGateway] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.console: Handler | None = None  # answers for the pages of the console
        self._events = events or EventInvocations(invoker, stack.functions, time_scale=time_scale)
        self._backends = Backends(invoker, self._aws, self._events.submit)
        self._lambda_api = LambdaApi(stack.functions, invoker, self._events, mappings, durable)
        self._listener = Listener(
            self._protocol, self._certificates.server_context, host=host, port=port
        )
        self.update(stack)
        self._watch_sockets()

    @property
    def port(self) -> int:
        """The port that the server listens on. It is known once `start()` has returned."""
        return self._listener.port

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def ca_bundle(self) -> Path:
        """The file to name in AWS_CA_BUNDLE for clients that use TLS. `start()` creates it."""
        return self._certificates.bundle

    def api_endpoint(self, api: WebSocketApi) -> str:
        """The `endpoint_url` with which boto3's apigatewaymanagementapi reaches the connections."""
        return f"{self.origin}/{api.stage}"

    async def start(self) -> None:
        """Create the TLS certificates if there are none, and listen.

        Raises:
            StartError: the port is taken.
        """
        self._certificates.ensure()
        await self._listener.start()

    async def stop(self) -> None:
        """Accept no more connections, let running requests end, then close the sockets.

        $disconnect runs for each socket.
        """
        self._listener.stop()
        await self._finish_requests()
        await asyncio.gather(*(gateway.close_all() for gateway in self._websocket_apis.values()))
        await self._events.stop()

    @property
    def messages_under_way(self) -> int:
        """How many messages of sockets are handled."""
        return sum(each.under_way for each in self._websocket_apis.values())

    async def close_sockets(self) -> None:
        """Close every socket and wait, for a limited time, until $disconnect has run for each."""
        await asyncio.gather(*(each.close_all() for each in self._websocket_apis.values()))

    def update(self, stack: Stack) -> None:
        """Serve a new state of the template. Sockets stay open if their API still exists."""
        self._gateways = _gateways(
            stack, self._invoker, self._backends, self._time_scale, self._aws_address
        )
        self._by_api_id = _by_api_id(self._gateways)
        self._hosts.update(hosts_of_templates(stack))
        self._events.update(stack.functions)
        self._lambda_api.update(stack.functions)
        self._cloudformation.update(stack.deployed)
        _warn_of_shared_stages(stack)
        present = {api.logical_id: api for api in stack.websocket_apis}
        for logical_id in self._websocket_apis.keys() - present.keys():
            self._leave(self._websocket_apis.pop(logical_id))
        for logical_id, api in present.items():
            if logical_id in self._websocket_apis:
                self._websocket_apis[logical_id].update(api)
            else:
                self._websocket_apis[logical_id] = WebSocketApiGateway(
                    api, self._invoker, time_scale=self._time_scale
                )

    def handle(self, request: Request) -> Answer | Pending:
        path = request.path
        if not self._hosts.own(request.header("host") or "") and not is_public(request):
            return self._foreign_host(request)
        if path.startswith(internal_paths.BARE):
            if self._is_for_console(path):
                return self.console(request) if self.console else self._control.serve(request)
            if path.startswith(internal_paths.PREFIX):
                return self._control.serve(request)
        if found := connections_api.PATH.fullmatch(path):
            return self._to_connection(request, found)
        if self._lambda_api.serves(request):
            return (
                self._control.refusal(request)
                or self._refused(request)
                or self._lambda_api.serve(request)
            )
        if self._aws.serves(request):
            return (
                (None if is_open(request) else self._control.refusal(request))
                or self._cloudformation.answer(request)
                or self._aws.serve(request)
            )
        return self._serve_api(request)

    async def answer(self, request: Request) -> Answer:
        """What a client would get for a request of an API, whoever asks for it."""
        return await self._serve_api(request)

    @property
    def sockets(self) -> Collection[WebSocketApiGateway]:
        """The gateways of the WebSocket APIs, with their connections."""
        return self._websocket_apis.values()

    def _is_for_console(self, path: str) -> bool:
        return path in (internal_paths.BARE, internal_paths.PREFIX) or path.startswith(
            internal_paths.CONSOLE
        )

    def _refused(self, request: Request, api_id: str = "") -> Response | None:
        """The answer to what a function may not ask for."""
        if self._guard is None or request.header(HEADER) is None:
            return None
        headers = {name.lower(): value for name, value in request.headers}
        call = Call(request.method, request.path, request.query, headers, request.body, api_id)
        refused = self._guard.refused(call)
        if refused is None:
            return None
        return Response(refused.status, list(refused.headers), refused.body)

    def _foreign_host(self, request: Request) -> Response:
        """The refusal of a request that was meant for another machine, as a rebound name's is."""
        host = ascii(host_of(request.header("host") or ""))
        self._on_access(
            f"{request.method} {request.path}  403: the host {host} is not allowed here; to allow"
            f" it: --allowed-host {host}, or allowed_hosts = [{host}] in [tool.lampwork]"
        )
        return json_message(
            403,
            "This Host is not allowed, so that no website can pass as this machine. To allow it,"
            " use --allowed-host, LAMPWORK_ALLOWED_HOSTS, or allowed_hosts in [tool.lampwork].",
        )

    def _to_connection(self, request: Request, found: re.Match[str]) -> Response:
        gateways = self._websocket_apis.values()
        stage, connection = (unquote(part) for part in found.groups())
        ids = (each.api.api_id for each in gateways if each.api.stage == stage)
        refused = self._refused(request, next(ids, ""))
        answer = refused or connections_api.serve(request, found, gateways)
        trace = request.header("x-amzn-trace-id")
        self._recorder.sent(request.method, stage, connection, request.body, answer.status, trace)
        return answer

    async def _serve_api(self, request: Request) -> Answer:
        if _asks_for_websocket(request):
            serve: Callable[[Request], Awaitable[Answer]] = self._websocket
        else:
            serve = self._http_as_sam if self._options.stage_optional else self._http
        began = time.perf_counter()
        answer = await serve(request)
        self._note(request, answer, time.perf_counter() - began)
        return answer

    async def _websocket(self, request: Request) -> Answer:
        named = _named_api(request)
        gateways = self._websocket_apis.values()
        for gateway in [each for each in gateways if each.api.api_id == named] or gateways:
            query = gateway.query(request)
            if query is not None:
                return await gateway.handshake(request, query)
        return json_message(403, "Forbidden")

    async def _http_as_sam(self, request: Request) -> Response:
        """The answer of `sam local`: a REST API needs no stage, and a file may be where no route
        is."""
        gateways = self._by_api_id.get(_named_api(request), self._gateways)
        rest = [each for each in gateways if isinstance(each, RestApiGateway)]
        if not any(isinstance(each.match(request), Match) for each in rest):
            for gateway in rest:
                staged = replace(request, target=f"/{gateway.stage}{request.target}")
                if isinstance(gateway.match(staged), Match):
                    return await self._http(staged)
        response = await self._http(request)
        if response.status in (403, 404) and request.route is None and self._static:
            return self._static.serve(request) or response
        return response

    def _no_stage(self, request: Request, gateways: list[Gateway]) -> Response:
        """AWS's answer to a path without a stage. It says nothing more: the log says which to
        use."""
        stages = sorted({each.stage for each in gateways if isinstance(each, RestApiGateway)})
        named = " or ".join(f"{self.origin}/{stage}{request.path}" for stage in stages)
        self._on_access(
            f"{request.path} has no stage of a REST API in front; as on AWS, ask {named}"
        )
        return no_stage(request)

    async def _http(self, request: Request) -> Response:
        gateways = self._by_api_id.get(_named_api(request), self._gateways)
        for gateway in gateways:
            match = gateway.match(request)
            if isinstance(match, Response):
                return match
            if match is not None:
                request.route = match.route.key
                return await gateway.serve(request, match)
        if gateways and all(isinstance(each, RestApiGateway) for each in gateways):
            return self._no_stage(request, gateways)
        return gateway_error(404, "Not Found")

    async def _finish_requests(self) -> None:
        under_way = {task for c in list(self._http_connections) if (task := c.shutdown())}
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_SECONDS)
        for connection in list(self._http_connections):
            connection.abort()

    def _protocol(self, secure: bool) -> HttpProtocol:
        return HttpProtocol(self.handle, secure=secure, connections=self._http_connections)

    def _note(self, request: Request, answer: Answer, seconds: float) -> None:
        status = answer.status if isinstance(answer, Response) else 101
        self._metrics.answered(request.method, request.route or "none", status, seconds)
        # The path only: a query string may hold a token.
        self._on_access(f"{request.method} {request.path}  {status}  {seconds * 1000:.0f} ms")

    def _watch_sockets(self) -> None:
        watch = self._metrics.watch
        watch("websocket_connections", "Open sockets.", ("api",), self._sockets)
        directions = ("api", "direction")
        watch(
            "websocket_messages",
            "Messages sent and received over sockets.",
            directions,
            self._messages,
            counts=True,
        )

    def _sockets(self) -> Iterator[Reading]:
        for name, gateway in self._websocket_apis.items():
            yield (name,), len(gateway.connections)

    def _messages(self) -> Iterator[Reading]:
        for name, gateway in self._websocket_apis.items():
            yield (name, "received"), gateway.frames.received
            yield (name, "sent"), gateway.frames.sent

    def _leave(self, gateway: WebSocketApiGateway) -> None:
        task = asyncio.ensure_future(gateway.close_all())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _gateways(
    stack: Stack,
    invoker: Invoker,
    backends: Backends,
    time_scale: float,
    aws: tuple[str, int] | None,
) -> list[Gateway]:
    """The gateways, in the order in which they are tried when the host name does not name an API.

    Named stages come first, because `$default` and function URLs accept any path.
    """
    http = [
        (api, HttpApiGateway(api, invoker, time_scale=time_scale, aws=aws))
        for api in stack.http_apis
    ]
    return [
        *(gateway for api, gateway in http if api.stage != "$default"),
        *(
            RestApiGateway(api, invoker, backends, time_scale=time_scale, aws=aws)
            for api in stack.rest_apis
        ),
        *(gateway for api, gateway in http if api.stage == "$default"),
        *(FunctionUrlGateway(url, invoker) for url in stack.function_urls),
        *(LoadBalancerGateway(listener, invoker) for listener in stack.load_balancers),
    ]


def _by_api_id(gateways: list[Gateway]) -> dict[str, list[Gateway]]:
    by_api_id: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        by_api_id.setdefault(gateway.api_id, []).append(gateway)
    return by_api_id


def _named_api(request: Request) -> str:
    """The API id in a host name like {apiId}.execute-api.… or {urlId}.lambda-url.…

    For other host names it is their first part, which is no API's id.
    """
    return (request.header("host") or "").partition(".")[0]


def _warn_of_shared_stages(stack: Stack) -> None:
    stages = Counter(api.stage for api in stack.routed_apis)
    sockets = Counter(api.stage for api in stack.websocket_apis)
    for stage, apis in (*stages.items(), *sockets.items()):
        if apis > 1:
            logger.warning(
                "several APIs have this stage: on localhost the first one answers, and each answers"
                " under its own host (`lampwork routes` lists the hosts)",
                extra={"stage": stage},
            )


def _asks_for_websocket(request: Request) -> bool:
    return (request.header("upgrade") or "").lower() == "websocket"
