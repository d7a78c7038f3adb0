"""Stands in for AWS's Lambda Web Adapter: the function's handler is a program that serves HTTP.

It starts with the environment, and each event becomes a request to it. Its port is one of its own,
whatever the template says: on Lambda nothing else of the machine listens there.
https://awslabs.github.io/aws-lambda-web-adapter/configuration/environment-variables.html
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from lampwork.invocation.prelude import PRELUDE_END, WITH_PRELUDE
from lampwork.runtime.programs.web_requests import (
    WebRequest,
    WebResponse,
    answer_of,
    is_of_gateway,
    prelude_of,
    request_of,
)

HOST: Final = "127.0.0.1"
RETRY_SECONDS: Final = 0.01
ASYNC_INIT_SECONDS: Final = 9.8
MAX_PIECE: Final = 64 * 1024
# How long a program may take to end after its connections have.
ENDING_SECONDS: Final = 0.2


def option(variables: Mapping[str, str], name: str, default: str) -> str:
    """An option by its name, or by the name that it had in the adapter's first versions."""
    return variables.get(f"AWS_LWA_{name}") or variables.get(name) or default


class ErrorStatus(Exception):
    """The program answered with a status that AWS_LWA_ERROR_STATUS_CODES names."""


class Stream(Protocol):
    """Where the pieces of an answer go."""

    def begin_stream(self, content_type: str, /) -> None: ...

    def write_piece(self, piece: bytes, /) -> None: ...


class WebAdapter:
    """The function's program, and the one connection to it."""

    def __init__(self, variables: Mapping[str, str], stream: Stream) -> None:
        self._variables = variables
        self._stream = stream
        mode = option(variables, "INVOKE_MODE", "buffered")
        self._streams = mode.lower() == "response_stream"
        self._path = option(variables, "READINESS_CHECK_PATH", "/")
        self._by_tcp = option(variables, "READINESS_CHECK_PROTOCOL", "http").lower() == "tcp"
        healthy = variables.get("AWS_LWA_READINESS_CHECK_HEALTHY_STATUS", "100-499")
        self._healthy = set(_statuses(healthy))
        self._base_path = option(variables, "REMOVE_BASE_PATH", "") or None
        self._events_path = variables.get("AWS_LWA_PASS_THROUGH_PATH", "/events")
        self._authorization = variables.get("AWS_LWA_AUTHORIZATION_SOURCE", "").lower()
        self._errors = set(_statuses(variables.get("AWS_LWA_ERROR_STATUS_CODES", "")))
        self._connection: http.client.HTTPConnection | None = None
        self._ports = self._candidates(int(option(variables, "PORT", "8080")))
        self._program = self._start()
        self._await_readiness()

    def handle(self, event: Any, context: Any) -> Any:
        """A Lambda handler: ask the program, and give its answer.

        Raises:
            ErrorStatus: the answer has a status that means a failure.
        """
        try:
            return self._answer(event, context)
        except (OSError, http.client.HTTPException):
            self._end_with_program()
            raise

    def _answer(self, event: Any, context: Any) -> Any:
        by_gateway = is_of_gateway(event)
        request = request_of(event, self._base_path) if by_gateway else self._passed_through(event)
        headers = [*self._authorized(request.headers), ("x-amzn-lambda-context", _told(context))]
        connection, answer = self._ask(replace(request, headers=headers))
        if answer.status in self._errors:
            connection.close()
            raise ErrorStatus(f"Request failed with configured error status code: {answer.status}")
        if self._streams and by_gateway:
            self._pass_on(connection, answer)
            return None
        response = WebResponse(answer.status, answer.getheaders(), answer.read())
        self._connection = connection
        return answer_of(event, response) if by_gateway else _document(response.body)

    def _pass_on(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> None:
        """Stream the program's answer as it comes.

        https://awslabs.github.io/aws-lambda-web-adapter/configuration/response-streaming.html
        """
        try:
            self._stream.begin_stream(WITH_PRELUDE)
            prelude = prelude_of(answer.status, answer.getheaders())
            self._stream.write_piece(prelude + PRELUDE_END)
            while piece := answer.read1(MAX_PIECE):
                self._stream.write_piece(piece)
            if answer.length:  # of those that the program has announced
                raise http.client.IncompleteRead(b"", answer.length)
            answer.read()  # frees the connection, which `read1` does after chunks alone
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _end_with_program(self) -> None:
        """End this process if the program has ended: on Lambda, the program is the runtime."""
        try:
            status = self._program.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return
        sys.exit(128 - status if status < 0 else status)

    def _candidates(self, asked: int) -> list[int]:
        """The ports where the program may listen: the one that it is told, and the one that the
        template names, for a program that does not read PORT, if nobody listens there yet."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            free = int(probe.getsockname()[1])
        return [free] if _listens(asked) else [free, asked]

    def _start(self) -> "subprocess.Popen[bytes]":
        """As the adapter's layer does: it runs the file that the handler names."""
        program = f"{self._variables['LAMBDA_TASK_ROOT']}/{self._variables['_HANDLER']}"
        port = str(self._ports[0])
        variables = {**self._variables, **_own_packages(self._variables)}
        variables |= {"PORT": port, "AWS_LWA_PORT": port}
        # Python ignores this signal; programs expect it.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            return subprocess.Popen([program], env=variables)
        except OSError as error:
            hint = f"; try `chmod +x {program}`" if isinstance(error, PermissionError) else ""
            sys.exit(f"{program} cannot be run: {error.strerror}{hint}.")
        finally:
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _await_readiness(self) -> None:
        """Wait until the program answers; the emulator ends an init that takes too long."""
        is_async = option(self._variables, "ASYNC_INIT", "false").lower() == "true"
        deadline = time.monotonic() + ASYNC_INIT_SECONDS
        while not self._is_ready():
            if (status := self._program.poll()) is not None:
                sys.exit(status)
            if is_async and time.monotonic() > deadline:
                return
            time.sleep(RETRY_SECONDS)

    def _is_ready(self) -> bool:
        for port in self._ports:
            if not _listens(port):
                continue
            try:
                ready = self._by_tcp or self._health(port) in self._healthy
            except (OSError, http.client.HTTPException):
                continue
            if ready:
                self._ports = [port]
                return True
        return False

    def _health(self, port: int) -> int:
        connection = http.client.HTTPConnection(HOST, port)
        try:
            connection.request("GET", self._path)
            return connection.getresponse().status
        finally:
            connection.close()

    def _passed_through(self, event: Any) -> WebRequest:
        """https://awslabs.github.io/aws-lambda-web-adapter/features/non-http-events.html"""
        content = json.dumps(event, separators=(",", ":")).encode()
        headers = [("host", HOST), ("content-type", "application/json")]
        return WebRequest("POST", self._events_path, headers, content)

    def _authorized(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if not any(name.lower() == self._authorization for name, _ in headers):
            return headers
        rest = [each for each in headers if each[0].lower() != "authorization"]
        return [
            ("authorization" if name.lower() == self._authorization else name, value)
            for name, value in rest
        ]

    def _ask(
        self, request: WebRequest
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """The head of the program's answer, and the connection by which the rest of it comes."""
        connection = self._connection or http.client.HTTPConnection(HOST, self._ports[0])
        is_fresh, self._connection = self._connection is None, None
        try:
            return connection, _exchange(connection, request)
        except (ConnectionError, http.client.BadStatusLine):
            # The program has closed a connection that was idle.
            connection.close()
            if is_fresh:
                raise
            return self._ask(request)


def _own_packages(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables by which the program finds what the function's requirements brought: modules,
    and commands such as `uvicorn`."""
    installed = (sys.prefix, sys.base_prefix)
    places = [place for place in sys.path if place and not place.startswith(installed)]
    programs = [f"{place}/bin" for place in places if os.path.isdir(f"{place}/bin")]
    modules = [variables.get("PYTHONPATH", ""), *places]
    return {
        "PATH": ":".join([*programs, variables.get("PATH", os.defpath)]),
        "PYTHONPATH": ":".join(filter(None, modules)),
    }


def _exchange(
    connection: http.client.HTTPConnection, request: WebRequest
) -> http.client.HTTPResponse:
    named = {name.lower() for name, _ in request.headers}
    connection.putrequest(
        request.method, request.target, skip_host="host" in named, skip_accept_encoding=True
    )
    for name, value in request.headers:
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            connection.putheader(name, value.encode())
    if request.body or request.method not in ("GET", "HEAD"):
        connection.putheader("content-length", str(len(request.body)))
    connection.endheaders(request.body)
    return connection.getresponse()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _statuses(text: str) -> Iterator[int]:
    """The statuses in a list such as 200,301-399."""
    for part in filter(None, (each.strip() for each in text.split(","))):
        first, _, last = part.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            yield from range(int(first), int(last or first) + 1)


def _told(context: Any) -> str:
    """The context of an invocation, as the adapter tells it."""
    return json.dumps(
        {
            "request_id": context.aws_request_id,
            "deadline": int(time.time() * 1000) + context.get_remaining_time_in_millis(),
            "invoked_function_arn": context.invoked_function_arn,
            "xray_trace_id": os.environ.get("_X_AMZN_TRACE_ID"),
            "client_context": None,
            "identity": None,
            "env_config": {
                "function_name": context.function_name,
                "memory": int(context.memory_limit_in_mb),
                "version": context.function_version,
                "log_stream": context.log_stream_name,
                "log_group": context.log_group_name,
            },
        },
        separators=(",", ":"),
    )


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
