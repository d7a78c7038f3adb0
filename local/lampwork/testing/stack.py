import base64
import json as json_module
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from lampwork.errors import LampworkError, StartError
from lampwork.http.internal_paths import TESTING
from lampwork.testing.answers import Answer, FunctionError, send
from lampwork.testing.child import Child
from lampwork.testing.clock import StackClock
from lampwork.testing.invocations import Invocation
from lampwork.testing.messaging import Bus, Queue
from lampwork.testing.sockets import Socket

START_WITHIN_SECONDS: Final = 120
PATIENCE_SECONDS: Final = 60
# The services that the emulator's own port serves; all others are at that of the embedded AWS.
OWN_SERVICES: Final = ("lambda", "cloudformation")


class Stack:
    """A running stack of a template, for tests. It starts with `start` or in a `with` block.

    `template` and `folder`, in which `lampwork up` would be called, begin at the current folder.
    `parameters` are the template's. `variables` are set for functions, as with `--env`.
    `timeout` is how many seconds a request, a socket or a message may take.

    It takes nothing from `.lampwork/`, and leaves nothing there. A project's own commands and
    processes run as in `lampwork up`.
    """

    def __init__(
        self,
        template: str | os.PathLike[str] = "template.yaml",
        *,
        folder: str | os.PathLike[str] = ".",
        parameters: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        timeout: float = PATIENCE_SECONDS,
        start_within: float = START_WITHIN_SECONDS,
    ) -> None:
        self._folder = Path(folder).resolve()
        self._options = ["--template", str(self._folder / template)]
        for name, value in (parameters or {}).items():
            self._options += ["--parameter-overrides", f"{name}={value}"]
        for name, value in (variables or {}).items():
            self._options += ["--env", f"{name}={value}"]
        self._timeout = timeout
        self._start_within = start_within
        self._child: Child | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self.clock = StackClock(self._move_clock)

    def start(self) -> Self:
        """
        Raises:
            StartError: the template or the project is wrong. The message has what `up` said.
        """
        if self._child is not None:
            raise StartError("The stack runs already.")
        self._child = child = Child(self._options, self._folder, os.environ)
        try:
            self._origin = child.wait_until_ready(self._start_within)
            self._about = self._control("GET", "about")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        child, self._child = self._child, None
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if child is not None:
            child.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def origin(self) -> str:
        """Where its APIs answer: http://localhost and a port."""
        self._running()
        return self._origin

    @property
    def log(self) -> str:
        """The end of what the functions printed and the emulator said."""
        return self.output()

    def printed(self) -> int:
        """How much has been printed, for `output`."""
        return self._running().printed()

    def output(self, since: int = 0) -> str:
        """The end of what was printed since `printed` returned this."""
        return self._running().output(since)

    # Between tests and within

    def reset(self) -> None:
        """Bring queues, tables, buckets, topics, parameters and the like back to what they held
        when the stack had started; close sockets, forget retries, authorizers' answers, noted
        invocations and faults; let schedules begin anew.

        Raises:
            LampworkError: a function has not ended within half a minute.
        """
        self._control("POST", "reset", {}, timeout=PATIENCE_SECONDS)

    def wait_until_idle(self, timeout: float | None = None) -> None:
        """Return once nothing is queued for a function, running or due.

        What waits for a later moment is not due: a delayed message, a retry, a schedule.

        Raises:
            TimeoutError: that did not come in time: `timeout` seconds, else the stack's. The
                message says what is not done.
        """
        seconds = self._timeout if timeout is None else timeout
        if busy := self._control("POST", "idle", {"seconds": seconds}, timeout=seconds):
            raise TimeoutError(f"After {seconds:g} s, {'; '.join(busy)}.")

    def invocations(self, function: str | None = None) -> list[Invocation]:
        """The invocations since the last reset, in the order in which they ended: of all functions,
        or of one, by its logical id. The newest ten thousand are kept."""
        if function is not None:
            self._known(function)
        found = self._control("POST", "invocations", {"function": function})
        return [Invocation(**each) for each in found]

    # Faults

    def fail_next(
        self,
        function: str,
        *,
        times: int = 1,
        error: str = "Fault",
        message: str = "A test lets this invocation fail.",
        after_run: bool = False,
    ) -> None:
        """Let the next invocations of a function, by its logical id, fail with this error's type
        and message, whoever invokes it. Its code does not run, unless it is `after_run`: then it
        runs to its end, and only its answer is lost."""
        self._fault(function, times, "error", after_run, type=error, message=message)

    def throttle_next(self, function: str, *, times: int = 1) -> None:
        """Let the next invocations be refused, as when the function's concurrency is used up."""
        self._fault(function, times, "throttle")

    def time_out_next(self, function: str, *, times: int = 1, after_run: bool = False) -> None:
        """Let the next invocations time out, at once. As after a true time-out, the function's
        process is another one then."""
        self._fault(function, times, "timeout", after_run)

    def kill_next(self, function: str, *, times: int = 1, after_run: bool = False) -> None:
        """Let the process end in the next invocations, as when its memory is used up."""
        self._fault(function, times, "kill", after_run)

    def _move_clock(self, seconds: float) -> None:
        asked = {"seconds": seconds, "within": self._timeout}
        self._control("POST", "advance", asked, timeout=self._timeout)

    def _fault(
        self, function: str, times: int, kind: str, after_run: bool = False, **more: str
    ) -> None:
        self._known(function)
        fault = {"kind": kind, "after_run": after_run, **more}
        self._control("POST", "fail", {"function": function, "fault": fault, "times": times})

    # HTTP

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request to an API of the stack. Redirects are not followed, cookies not kept.

        Raises:
            TimeoutError: no answer came in time.
            LampworkError: the stack has ended.
        """
        self._running()
        try:
            return send(
                self._origin,
                method,
                path,
                params=params,
                headers=headers,
                json=json,
                data=data,
                timeout=self._timeout if timeout is None else timeout,
            )
        except ConnectionError as error:
            raise self._failure(error) from error

    def get(self, path: str, **options: Any) -> Answer:
        """As `request`, like those that follow."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def connect(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        subprotocols: list[str] | None = None,
    ) -> Socket:
        """Open a WebSocket.

        Raises:
            Refused: $connect or an authorizer has refused it.
        """
        url = self.origin.replace("http", "ws", 1) + path
        return Socket(url, headers=headers, subprotocols=subprotocols, timeout=self._timeout)

    # Functions

    def invoke(self, function: str, event: Any = None) -> Any:
        """Invoke a function, by its logical id or name, and return its answer.

        Raises:
            FunctionError: it ended with an error.
            LookupError: there is no such function.
            LampworkError: it cannot run now; the message says why.
        """
        path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        event = {} if event is None else event
        answer = self.post(path, json=event, headers={"x-amz-log-type": "Tail"})
        if answer.status_code == 404:
            raise self._unknown(function)
        if answer.status_code != 200:
            raise LampworkError(f"{function} was not invoked: {answer.status_code} {answer.text}")
        if answer.headers.get("x-amz-function-error"):
            log = base64.b64decode(answer.headers.get("x-amz-log-result", ""))
            raise FunctionError(answer.json(), log.decode(errors="replace"))
        return answer.json() if answer.content else None

    # Services

    def client(self, service: str, **options: Any) -> Any:
        """A client of boto3 for a service of the stack. The same one is returned again unless it
        has `options`, which are boto3's."""
        return self._boto3("client", service, options)

    def resource(self, service: str) -> Any:
        """boto3's resource for a service of the stack, such as "dynamodb"."""
        return self._boto3("resource", service, {})

    def queue(self, name: str) -> Queue:
        """A queue, by its logical id or name.

        Raises:
            LookupError: there is none.
        """
        url = self._physical(name, "AWS::SQS::Queue")
        sqs = self.client("sqs")
        if "/" not in url:
            url = sqs.get_queue_url(QueueName=url)["QueueUrl"]
        return Queue(sqs, url, self._peek)

    def table(self, name: str) -> Any:
        """boto3's Table of a table, by its logical id or name.

        Raises:
            LookupError: there is none.
        """
        types = ("AWS::DynamoDB::Table", "AWS::Serverless::SimpleTable")
        return self.resource("dynamodb").Table(self._physical(name, *types))

    def bus(self, name: str = "default") -> Bus:
        """An event bus, by its logical id or name.

        Raises:
            LookupError: there is none.
        """
        if name != "default":
            name = self._physical(name, "AWS::Events::EventBus").rpartition("/")[2]
        return Bus(self.client("events"), name)

    def physical_id(self, logical_id: str) -> str:
        """What CloudFormation calls a resource's physical id: the name of a bucket or of a table,
        the URL of a queue, the ARN of a topic.

        Raises:
            LookupError: the template has no such resource.
        """
        return self._physical(logical_id)

    # What it is made of

    def _boto3(self, kind: str, service: str, options: Mapping[str, Any]) -> Any:
        self._running()
        key = (kind, service)
        if key in self._clients and not options:
            return self._clients[key]
        # Imported here: it takes 0.3 s, and pytest loads this plugin for tests of all kinds.
        from boto3.session import Session
        from botocore.config import Config

        session = Session("test", "test", "test", region_name=self._about["region"])
        endpoint = self._origin if service in OWN_SERVICES else self._about["aws"]
        config = Config(
            inject_host_prefix=False,
            read_timeout=self._timeout,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        )
        make = getattr(session, kind)
        made = make(service, **{"endpoint_url": endpoint, "config": config, **options})
        if not options and kind == "client":
            self._clients[key] = made
        return made

    def _physical(self, name: str, *types: str) -> str:
        self._running()
        resources: dict[str, list[str]] = self._about["resources"]
        fitting = {
            logical_id: physical_id
            for logical_id, (kind, physical_id) in resources.items()
            if not types or kind in types
        }
        if name in fitting:
            return fitting[name]
        for physical_id in fitting.values():
            if physical_id.rpartition("/")[2] == name:
                return physical_id
        what = types[0] if types else "resource"
        known = ", ".join(fitting) or "none"
        raise LookupError(f"There is no {what} {name!r} in the template. There are: {known}.")

    def _known(self, function: str) -> None:
        self._running()
        if function not in self._about["functions"]:
            raise self._unknown(function)

    def _unknown(self, function: str) -> LookupError:
        known = ", ".join(self._about["functions"])
        return LookupError(f"There is no function {function!r}. There are: {known}.")

    def _peek(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._control("POST", "messages", {"queue": queue})
        return found

    def _control(self, method: str, what: str, asked: Any = None, timeout: float = 0) -> Any:
        seconds = self._timeout + timeout
        answer = self.request(method, TESTING + what, json=asked, timeout=seconds)
        if answer.status_code != 200:
            raise LampworkError(f"The stack cannot do this: {answer.text}")
        return json_module.loads(answer.content)

    def _running(self) -> Child:
        if self._child is None:
            raise LampworkError("The stack does not run: use it in a `with` block, or start it.")
        return self._child

    def _failure(self, error: Exception) -> Exception:
        child = self._running()
        if child.has_ended:
            return LampworkError(f"The stack has ended. It said:\n{child.output()}")
        return error
