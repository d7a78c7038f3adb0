import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from lampwork.http1 import HttpProtocol, Request
from lampwork.responses import Response

# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
ROOT = "/2018-06-01/runtime/"
NEXT = ROOT + "invocation/next"
INVOCATION = ROOT + "invocation/"
INIT_ERROR = ROOT + "init/error"

MAX_ANSWER = 6_291_556
# Answers above Lambda's limit are still read, so that the runtime learns why they are refused.
MAX_BODY = 256 * 1024 * 1024
# The runtime sends an exception's stack for X-Ray in a header of up to 1 MiB.
MAX_HEAD = 2 * 1024 * 1024

JSON = [("Content-Type", "application/json")]
ACCEPTED = Response(202, JSON, b'{"status":"OK"}\n')


class Phase(Enum):
    """Where the runtime stands, in the words of its error messages."""

    STARTED = "Started"
    READY = "Ready"
    RUNNING = "Running"
    ANSWERED = "InvocationResponse"
    INIT_FAILED = "InitError"
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class Work:
    """One request for the function, as `GET invocation/next` hands it out."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    deadline_ms: int
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The function is loaded: the runtime has asked for work for the first time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function returned or, if `failed`, the error it ended with; both are JSON."""

    payload: bytes
    failed: bool = False


class RuntimeApi:
    """The Lambda Runtime API (2018-06-01) of one execution environment, on a port of its own.

    `report` is told what the runtime does: ready, an answer, or a failed init (an `Answer` too).
    """

    def __init__(self, report: Callable[[Ready | Answer], None]) -> None:
        self._report = report
        self._phase = Phase.STARTED
        self._request_id: str | None = None
        self._queued: Work | None = None
        self._asked: asyncio.Future[Work | None] | None = None
        self._connections: set[HttpProtocol] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen, and return the address for AWS_LAMBDA_RUNTIME_API."""
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(self._protocol, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Report nothing any more."""
        self._phase = Phase.CLOSED
        self._request_id = None
        if self._server is not None:
            self._server.close()
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)
        for connection in list(self._connections):
            connection.shutdown()

    def offer(self, work: Work) -> None:
        """Hand out this request next. Any earlier one can no longer be answered."""
        self._request_id = work.request_id
        self._queued = work
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(work)

    def withdraw(self) -> bool:
        """Accept no answer to the present request any more. False if it was never handed out."""
        self._request_id = None
        return self._queued is None

    @property
    def is_owed_an_answer(self) -> bool:
        """Whether the runtime was given a request and has sent nothing since."""
        return self._phase is Phase.RUNNING and not any(
            each.has_unread for each in self._connections
        )

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(
            self._handle, max_body=MAX_BODY, max_head=MAX_HEAD, connections=self._connections
        )

    async def _handle(self, request: Request) -> Response:
        target = request.target
        if request.method == "GET" and target == NEXT:
            return await self._next()
        if request.method == "POST" and target.startswith(INVOCATION):
            request_id, _, kind = target.removeprefix(INVOCATION).partition("/")
            if kind in ("response", "error"):
                return self._answered(request_id, request.body, failed=kind == "error")
        if request.method == "POST" and target == INIT_ERROR:
            return self._init_failed(request.body)
        return _error(404, "ResourceNotFound", "The runtime API has no such resource.")

    async def _next(self) -> Response:
        if self._phase not in (Phase.STARTED, Phase.READY, Phase.ANSWERED):
            return self._invalid(Phase.READY)
        first = self._phase is Phase.STARTED
        self._phase = Phase.READY
        if first:
            self._report(Ready())
        work = self._queued
        if work is None:
            self._asked = self._loop.create_future()
            work = await self._asked
            if work is None:
                return self._invalid(Phase.RUNNING)
        self._queued = None
        self._phase = Phase.RUNNING
        return Response(200, _headers(work), work.payload)

    def _answered(self, request_id: str, body: bytes, *, failed: bool) -> Response:
        if request_id != self._request_id:
            return _error(400, "InvalidRequestID", "Invalid request ID")
        if self._phase is not Phase.RUNNING:
            return self._invalid(Phase.ANSWERED)
        self._phase = Phase.ANSWERED
        self._request_id = None
        if len(body) > MAX_ANSWER:
            self._report(TOO_LARGE)
            return _error(413, "RequestEntityTooLarge", f"Exceeded maximum of {MAX_ANSWER} bytes.")
        self._report(Answer(body, failed))
        return ACCEPTED

    def _init_failed(self, body: bytes) -> Response:
        if self._phase is not Phase.STARTED:
            return self._invalid(Phase.INIT_FAILED)
        self._phase = Phase.INIT_FAILED
        self._report(Answer(body, failed=True))
        return ACCEPTED

    def _invalid(self, wanted: Phase) -> Response:
        return _error(
            403,
            "InvalidStateTransition",
            f"State transition from {self._phase.value} to {wanted.value} failed for runtime."
            " Error: State transition is not allowed",
        )


TOO_LARGE = Answer(
    b'{"errorMessage":"Response payload size exceeded maximum allowed payload size'
    b' (%d bytes).","errorType":"Function.ResponseSizeTooLarge"}' % MAX_ANSWER,
    failed=True,
)


def _headers(work: Work) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Aws-Request-Id", work.request_id),
        ("Lambda-Runtime-Deadline-Ms", str(work.deadline_ms)),
        ("Lambda-Runtime-Invoked-Function-Arn", work.function_arn),
        ("Lambda-Runtime-Trace-Id", work.trace_id),
    ]
    if work.client_context:
        headers.append(("Lambda-Runtime-Client-Context", work.client_context))
    return headers


def _error(status: int, kind: str, message: str) -> Response:
    body = f'{{"errorMessage":"{message}","errorType":"{kind}"}}\n'
    return Response(status, JSON, body.encode())
