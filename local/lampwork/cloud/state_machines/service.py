import json
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from botocore import xform_name
from botocore.config import Config

from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam.states.loading import load_interpreter
from lampwork.cloud.persistence.kept_state import Request
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.state_machines.errors import StatesError
from lampwork.cloud.state_machines.executions import Executions, Outcome, Run
from lampwork.cloud.state_machines.language.definition import problems
from lampwork.cloud.state_machines.operations import Operations
from lampwork.cloud.state_machines.records import EXPRESS, Execution, Machine
from lampwork.cloud.state_machines.status_events import status_event
from lampwork.cloud.state_machines.store import Store
from lampwork.cloud.state_machines.tasks import Activities, Tasks
from lampwork.seams import UnknownVersion

TARGET: Final = "AWSStepFunctions."
WARMING: Final = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
# A function may run for 15 minutes. Tasks are tried again as their definition says, not by boto3.
CLIENT: Final = Config(
    parameter_validation=False,
    inject_host_prefix=False,
    read_timeout=1000,
    retries={"total_max_attempts": 1},
)


class StateMachines:
    """Step Functions: its API, and the executions of state machines.

    Tasks call functions and APIs at `lambda_endpoint`, all other services in this process. Pauses
    take `time_scale` times as long as definitions say.
    """

    def __init__(
        self,
        app: WSGIApplication,
        file: StateFile,
        region: str,
        lambda_endpoint: str | None,
        time_scale: float,
    ) -> None:
        self._app = app
        self._region = region
        self._lambda_endpoint = lambda_endpoint
        self._time_scale = time_scale
        self._clients: dict[str, Clients] = {}
        self._store = Store(file)
        self._loading = threading.RLock()
        self._loaded: Any = None
        self.executions = Executions(self._store, self._run_of, self._announce)
        self._operations = Operations(self._store, self.executions, self._check)
        for lost in self._store.abort_lost():
            machine = self._store.machines.get(lost.machine_arn)
            name = machine.title if machine else lost.machine_arn
            _say(f"{name}: execution {lost.name} ABORTED: it ran when Lampwork ended.")

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith(TARGET):
            return self._app(environ, start)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        region = Request(environ).region or self._region
        try:
            asked = json.loads(environ["wsgi.input"].read(length) or b"{}")
            answer = self._operation(target.removeprefix(TARGET))(asked, region)
            return _json(start, 200, answer)
        except StatesError as error:
            return _error(start, error)
        except UnknownVersion as error:
            return _error(start, StatesError("InternalServerError", str(error), status=500))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Clients check what they send; whoever sends something else gets what AWS would say.
            return _error(start, StatesError("ValidationException", f"{error!r}"))

    def _operation(self, name: str) -> Callable[[Mapping[str, Any], str], dict[str, Any]]:
        method = xform_name(name)
        for owner in (self._operations, self._tasks):
            if not method.startswith("_") and (found := getattr(owner, method, None)):
                operation: Callable[[Mapping[str, Any], str], dict[str, Any]] = found
                return operation
        raise StatesError("UnknownOperationException", f"Lampwork does not emulate {name}.")

    def _check(self, definition: str, kind: str) -> None:
        problem = ", ".join(problems(definition))
        problem = problem or self._interpreter.problem(definition, express=kind == EXPRESS)
        if problem:
            message = f"Invalid State Machine Definition: '{problem}'"
            raise StatesError("InvalidDefinition", message)

    def _run_of(
        self, machine: Machine, execution: Execution, ended: Callable[[Outcome], None]
    ) -> Run:
        run: Run = self._interpreter.run(machine, execution, self._activities, ended)
        return run

    def warm(self) -> None:
        """Load what an execution needs, if there is a state machine, while others are served."""
        if self._store.machines:
            threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        with suppress(UnknownVersion):  # whoever needs the interpreter is told
            self._interpreter.problem(WARMING, express=False)
            for service in ("lambda", "events"):  # what tasks call, and what announces executions
                self._client_of(service, self._region)

    @property
    def _interpreter(self) -> Any:
        with self._loading:
            if self._loaded is None:
                self._loaded = load_interpreter(
                    self._client_of, self._time_scale, self._lambda_endpoint
                )
            return self._loaded

    @cached_property
    def _activities(self) -> Activities:
        return Activities(self._store, self._interpreter.activity)

    @cached_property
    def _tasks(self) -> Tasks:
        over = self._interpreter.over
        return Tasks(self._store, self.executions, self._activities, over)

    def _client_of(self, service: str, region: str) -> Any:
        with self._loading:
            if region not in self._clients:
                self._clients[region] = Clients(self, region, CLIENT)
            clients = self._clients[region]
        if service == "lambda" and self._lambda_endpoint:
            return clients.at(service, self._lambda_endpoint)
        return clients(service)

    def _announce(self, machine: Machine, execution: Execution) -> None:
        entry = status_event(machine, execution)
        self._client_of("events", execution.region).put_events(Entries=[entry])


def _json(
    start: StartResponse, status: int, answer: Mapping[str, object], kind: str = ""
) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    if kind:
        headers.append(("x-amzn-ErrorType", kind))
    start(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]


def _error(start: StartResponse, error: StatesError) -> Iterable[bytes]:
    told = {"__type": error.code, "message": str(error)}
    return _json(start, error.status, told, error.code)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the server's log
