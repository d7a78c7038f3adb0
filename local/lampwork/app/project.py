import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from lampwork.app.requirements import with_requirements
from lampwork.cloud.moto_seam.names import MOTO
from lampwork.companions.fake_redis import FAKEREDIS
from lampwork.companions.guard import Guard
from lampwork.companions.pidfile import stop_left_overs
from lampwork.companions.project_processes import run_commands
from lampwork.companions.services import Services
from lampwork.concurrency import run_all, unless
from lampwork.config.project_config import Config
from lampwork.config.variables import chosen, fill, forget_real_account, read_env_file
from lampwork.errors import LampworkError, TemplateError
from lampwork.front.websocket_seam import WEBSOCKETS
from lampwork.http.certificates import Certificates
from lampwork.logs.json_records import as_text
from lampwork.logs.log import Log, is_advice, is_platform_line
from lampwork.metrics.metrics import Metrics
from lampwork.runtime.awslambdaric_seam import AWSLAMBDARIC
from lampwork.runtime.functions import Functions
from lampwork.runtime.settings import RuntimeSettings
from lampwork.stack.dynamic_references import references_in, unresolved, with_values
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.handlers import Problems
from lampwork.stack.model import Function, Ignored, Schedule, Stack, WebSocketApi
from lampwork.stack.narrowing import Narrow, everything
from lampwork.stack.overrides import Debugged, unknown_names, with_variables, without_time_out
from lampwork.template.reader import read_stack
from lampwork.triggers.registry import SOURCES
from lampwork.triggers.schedules import check_overrides
from lampwork.triggers.source import Source

logger = logging.getLogger(__name__)

READ_AT_START: Final = (
    *("host", "port", "data", "services", "redis", "commands", "processes"),
    *("allowed_hosts", "max_environments", "preload", "inherit"),
)
LOADING_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `read_config` gives the configuration with its options applied;
    `variables` win over all others. `narrow` makes of the template's stack what is served."""

    read_config: Callable[[], Config]
    variables: Mapping[str, str] = field(default_factory=dict)
    function_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cold: bool = False
    freeze: bool = False
    strict: bool = False
    verbose: bool = False
    debugged: Debugged | None = None
    narrow: Narrow = everything
    time_scale: float = 1
    sources: Sequence[Source] = SOURCES


class Project:
    """A project's functions and services, and its commands done: what every invocation needs.

    `stack` and `variables` are as last read. `port` is where the stack's APIs answer.
    """

    def __init__(self, config: Config, options: Options, log: Log, port: int) -> None:
        self.config = config
        self.stack = Stack(functions={})
        self.variables: dict[str, str] = {}
        self.metrics = Metrics()
        self.services = Services(config, self.line)
        self._options = options
        self._log = log
        self.port = port
        self._inherited = chosen(config.inherit)  # before `open` forgets the shell's AWS account
        self._ignored: frozenset[Ignored] = frozenset()  # as last named, wherever it stood
        self._problems = Problems(lambda text: self._log.line("lampwork", text))
        self._certificates = Certificates(config.data / "tls")

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def sqs_endpoint(self) -> str | None:
        """Where boto3 would find SQS with these variables."""
        return self.variables.get("AWS_ENDPOINT_URL_SQS", self.variables.get("AWS_ENDPOINT_URL"))

    async def open(self, opened: AsyncExitStack) -> None:
        """Start everything; `opened` stops in reverse order what was started, however far it came.

        Raises:
            LampworkError: the template, a variable, a service, a package or a command is wrong.
        """
        await opened.enter_async_context(unless(self.services.given_up()))
        self._check_packages()
        forget_real_account()
        for name, pid in stop_left_overs(self.config.data / "run").items():
            self._log.line("lampwork", f"Stopped {name} (pid {pid}), left over from a killed run.")
        opened.callback(Guard(self.config.data / "run").close)
        opened.push_async_callback(self.services.stop)
        await run_all(self.services.start(), self._open_functions(opened))
        self.variables.update(self._resolve(self.config, self.stack))
        await self.services.create(self.stack.resources)
        resolved = await self._with_references(self.stack)
        if resolved is not self.stack:
            self.stack = resolved
            await self.functions.reload(resolved.functions)
        await run_commands(self.config, self.variables, self.line)

    def _check_packages(self) -> None:
        """Fail now where a package is of a version that would fail later, or in another process."""
        AWSLAMBDARIC.check_version()
        WEBSOCKETS.check_version()
        if self.services.aws is not None:
            MOTO.check_version()
        if self.services.redis is not None and self.services.redis.kind == "fake":
            FAKEREDIS.check_version()

    def tell_problems(self) -> None:
        """Say which functions cannot be loaded, and why."""
        self._problems.tell(self.stack.functions.values())

    def line(self, source: str, text: str, request_id: str = "") -> None:
        """One entry of the log of a function, a service or a process, unless it holds metrics."""
        if not self.metrics.embedded.record_line(text):
            self._log.line(source, text, request_id)

    async def read_again(self) -> bool:
        """Take up the configuration and the template as they are now.

        False, and everything as before, when they cannot be read.
        """
        try:
            config = self._options.read_config()
            stack = await self._read_stack(config)
            variables = self._resolve(config, stack)
            await self.services.create(stack.resources)
            stack = await self._with_references(stack)
        except LampworkError as error:
            self._log.line("lampwork", f"{error}\nGoing on with what was read before.")
            return False
        self._name_what_waits(config)
        self.config, self.stack = config, stack
        self.variables.clear()
        self.variables.update(variables)
        return True

    async def _with_references(self, stack: Stack) -> Stack:
        """The stack with the values that its functions' variables refer to."""
        references = references_in(stack.functions)
        if not references:
            return stack
        values = await self.services.resolve(references)
        for function, name, reference in unresolved(stack.functions, values):
            self._log.line(
                "lampwork",
                f"{function.template.name}, line {function.line}: {name} of"
                f" {function.logical_id} is empty, since there is no {reference}.",
            )
        return replace(stack, functions=with_values(stack.functions, values))

    async def _open_functions(self, opened: AsyncExitStack) -> None:
        self.stack = await self._read_stack(self.config)
        self.functions = Functions(
            self.stack.functions, self._runtime_settings(), self._on_log, self.metrics
        )
        opened.push_async_callback(self.functions.stop)
        await self.functions.start()

    def _runtime_settings(self) -> RuntimeSettings:
        # The variables are filled in once the services answer, before the first request.
        return RuntimeSettings(
            data_dir=self.config.data,
            cold=self._options.cold,
            freeze=self._options.freeze,
            debugged=self._debugged(),
            max_environments=self.config.max_environments,
            preload=self.config.preload,
            grace=self._grace,
            overrides=self.variables,
        )

    def _grace(self) -> float:
        """The embedded AWS takes seconds to load, where AWS itself answers at once."""
        aws = self.services.aws
        return LOADING_SECONDS if aws is not None and aws.is_loading else 0

    async def _read_stack(self, config: Config) -> Stack:
        stack = await asyncio.to_thread(
            load_stack, config, self.services.aws_url, self._options.sources
        )
        self._name_ignored(config, stack)
        check_overrides(config.schedules, stack.triggers_of(Schedule))
        functions = await asyncio.to_thread(
            with_requirements,
            stack.functions,
            root=config.template.parent,
            data=config.data,
            say=lambda text: self._log.line("lampwork", text),
        )
        stack = replace(stack, functions=functions)
        return self._as_told(stack)

    def _as_told(self, stack: Stack) -> Stack:
        variables = self._options.function_variables
        if unknown := unknown_names(stack, variables):
            self._log.line("lampwork", f"--env-vars names no function: {', '.join(unknown)}.")
        stack = with_variables(self._options.narrow(stack), variables)
        debugged = self._options.debugged
        return without_time_out(stack, debugged.function) if debugged else stack

    def _debugged(self) -> Debugged | None:
        debugged = self._options.debugged
        if debugged is None:
            return None
        function = FunctionNames(self.stack.functions).get(debugged.function)
        return replace(debugged, function=function.logical_id)

    def _name_ignored(self, config: Config, stack: Stack) -> None:
        lines = not_emulated(stack)
        if lines and self._options.strict:
            raise TemplateError("Not emulated, and --strict is set:\n  " + "\n  ".join(lines))
        ignored = [replace(each, line=0) for each in stack.ignored]
        for each, line in zip(ignored, lines, strict=True):
            if each not in self._ignored:
                self._log.line("lampwork", f"Not emulated: {line}")
        self._ignored = frozenset(ignored)

    def _resolve(self, config: Config, stack: Stack) -> dict[str, str]:
        """All variables: the command line's over the env file's over the configuration's."""
        known = {
            "root": str(config.root),
            "data": str(config.data),
            "port": str(self.port),
            "origin": self.origin,
            **{
                f"websocket_url:{api.logical_id}": self._url("ws", api)
                for api in stack.websocket_apis
            },
            **self.services.placeholders(),
        }
        return {
            "AWS_REGION": config.region,
            "AWS_DEFAULT_REGION": config.region,
            **self.services.variables(),
            "AWS_ENDPOINT_URL_LAMBDA": self.origin,
            **self._connections_endpoint(stack),
            **fill(config.environment, known),
            **self._inherited,
            **read_env_file(config.env_file),
            **self._options.variables,
        }

    def _connections_endpoint(self, stack: Stack) -> dict[str, str]:
        """How boto3 finds the sockets' owner, also by `https://{domainName}/{stage}`."""
        if not stack.websocket_apis:
            return {}
        self._certificates.ensure()
        return {
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self._url("http", stack.websocket_apis[0]),
            "AWS_CA_BUNDLE": str(self._certificates.bundle),
        }

    def _url(self, scheme: str, api: WebSocketApi) -> str:
        return f"{scheme}://localhost:{self.port}/{api.stage}"

    def _name_what_waits(self, config: Config) -> None:
        changed = [
            key for key in READ_AT_START if getattr(config, key) != getattr(self.config, key)
        ]
        if changed:
            self._log.line("lampwork", f"{', '.join(changed)}: changed for the next start.")

    def _on_log(self, function: Function, line: str, request_id: str) -> None:
        if is_platform_line(line) and not self._options.verbose:
            return
        text = as_text(line)
        if not is_advice(text) and not self._problems.explain(text, function):
            self.line(function.logical_id, text, request_id)


def not_emulated(stack: Stack) -> list[str]:
    """What the template has and Lampwork does not run, a line for each."""
    return [
        f"{each.template.name}, line {each.line}: {each.logical_id} ({each.type})"
        + (f": {each.reason}" if each.reason else "")
        for each in stack.ignored
    ]


def load_stack(config: Config, aws_url: str, sources: Sequence[Source] = SOURCES) -> Stack:
    """The stack of the project's template.

    Raises:
        TemplateError: it cannot be read.
    """
    return read_stack(
        config.template,
        parameters=config.parameters,
        spare=config.sam_parameters,
        region=config.region,
        stack_name=config.stack_name,
        cache_dir=config.data / "templates",
        queue_url_base=aws_url,
        sources=sources,
    )
