import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from lampwork.app.packages.installations import Installations
from lampwork.app.project.custom_resources import CustomResources
from lampwork.app.project.for_others import ForOthers
from lampwork.app.project.options import Options
from lampwork.app.project.package_check import check_packages
from lampwork.app.project.project_variables import ProjectVariables
from lampwork.app.project.stack_loading import StackLoader
from lampwork.app.pythons.choice import Pythons
from lampwork.app.read_files import ReadFiles
from lampwork.cloud.moto_seam.managed_policies import managed_policy
from lampwork.companions.guard import Guard as ChildGuard
from lampwork.companions.pidfile import stop_left_overs
from lampwork.companions.project_processes import run_commands
from lampwork.companions.secrets_extension import SecretsExtension
from lampwork.companions.services import RunningServices, Services
from lampwork.concurrency import run_all, unless
from lampwork.config.project_config import Config
from lampwork.config.variables import forget_real_account
from lampwork.errors import LampworkError
from lampwork.history.history import Recorder, Unrecorded
from lampwork.logs.json_records import as_text
from lampwork.logs.log import Log, is_advice, is_platform_line
from lampwork.metrics.metrics import Metrics
from lampwork.permissions.guard import Guard
from lampwork.runtime.functions import Functions
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.ability import why_not
from lampwork.runtime.world.editors_paths import with_editors_paths
from lampwork.stack.custom_resources import (
    is_reference,
    with_custom_outputs,
    with_custom_values,
    without_references,
)
from lampwork.stack.dynamic_references import references_in, unresolved, with_values
from lampwork.stack.function_overrides import Debugged
from lampwork.stack.handler_check import HandlerProblems
from lampwork.stack.missing_modules import MissingModules
from lampwork.stack.model import Function, Stack
from lampwork.stack.own_addresses import aws_hosts

READ_AT_START: Final = (
    *("host", "port", "data", "services", "redis", "commands", "processes"),
    *("allowed_hosts", "max_environments", "preload", "inherit"),
    *("lambda_paths", "multiprocessing", "history"),
)
NO_LAMBDA_PATHS: Final = (
    "Functions see their own folders, not /var/task, /opt and a /tmp of their own: this machine"
    " does not let you mount these ({}). `lambda_paths = false` in [tool.lampwork] silences this."
)
LOADING_SECONDS: Final = 30


async def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Beside:
    """A Lampwork that runs already: the addresses of its services. Another one that uses them keeps
    its processes' files in `work_dir`."""

    services: Mapping[str, str]
    work_dir: Path


class Project:
    """A project's functions and services, and its commands once they have run: what every
    invocation needs.

    `config`, `stack` and `variables` are as last read. `port` is where the stack's APIs take
    requests. The `recorder` notes invocations. `beside` is a Lampwork that runs with the same data:
    this project uses its services.
    """

    def __init__(
        self,
        config: Config,
        options: Options,
        log: Log,
        port: int,
        *,
        install_ahead: bool = False,
        beside: Beside | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.config = config
        self.port = port
        self.stack = Stack(functions={})
        self.variables: dict[str, str] = {}
        self._hosts: dict[str, int] = {}
        self.metrics = Metrics()
        self.services = (
            RunningServices(beside.services)
            if beside
            else Services(
                config,
                self.log_line,
                lambda_endpoint=f"http://localhost:{port}",
                time_scale=options.time_scale,
                testing=options.testing,
            )
        )
        self.guard = Guard(config.data, managed_policy)
        self._beside = beside
        self._recorder = recorder or Unrecorded()
        self._work_dir = beside.work_dir if beside else config.data
        self._options = options
        self._install_ahead = install_ahead
        self._log = log
        self._say = partial(log.line, "lampwork")
        self.read_files = ReadFiles()
        self.installations = Installations(config.template.parent, config.data, self._say)
        self.pythons = Pythons(config.data, self._say)
        self._stack_loader = StackLoader(
            options, self.services, self.installations, self.pythons, port, self._say
        )
        self._variables = ProjectVariables(config, self.services, port, options.variables)
        self._custom_resources = CustomResources(config.data, self._say)
        self._problems = HandlerProblems(self._say)
        self._secrets = SecretsExtension(lambda: self.services.aws_url, config.region, self._say)
        self._missing = MissingModules(config.template.parent, self._say)

    @property
    def origin(self) -> str:
        return self._variables.origin

    @property
    def for_others(self) -> ForOthers:
        return self._variables.for_others

    @property
    def sqs_endpoint(self) -> str | None:
        """Where boto3 would find SQS with these variables."""
        return self.variables.get("AWS_ENDPOINT_URL_SQS", self.variables.get("AWS_ENDPOINT_URL"))

    async def open(
        self, opened: AsyncExitStack, meanwhile: Callable[[], Coroutine[Any, Any, None]] = _nothing
    ) -> None:
        """Start everything. `opened` stops what has been started, in reverse order, also when the
        start fails halfway. `meanwhile` runs while other processes load packages.

        Raises:
            LampworkError: the template, a variable, a service, a package or a command is wrong.
        """
        await opened.enter_async_context(unless(self.services.given_up()))
        check_packages(self.services)
        forget_real_account()
        self._guard_children(opened)
        opened.push_async_callback(self.services.stop)
        await run_all(self.services.start(), self._open_functions(opened))
        self.variables.update(self._variables.resolve(self.config, self.stack))
        self.services.know_key(self.variables)
        self._enforce_permissions(self.stack)
        await run_all(self.functions.preload(), self._create_and_run(), meanwhile())

    async def reread(self) -> bool:
        """Read the configuration and the template again.

        Returns False, and leaves everything as it was, if they cannot be read.
        """
        try:
            config = self._options.read_config()
            stack = await self._stack_loader.load(config)
            variables = self._variables.resolve(config, stack)
            stack = await self._created(stack)
        except LampworkError as error:
            self._say(f"{error}\nGoing on with what was read before.")
            return False
        self._report_unapplied(config)
        self.config, self.stack = config, stack
        self._secrets.serve(stack.functions.values())
        self.variables.clear()
        self.variables.update(variables)
        self._hosts.clear()
        self._hosts.update(aws_hosts(stack, config.region, self.port))
        self._enforce_permissions(stack)
        return True

    def _enforce_permissions(self, stack: Stack) -> None:
        """Have services refuse what the policies of functions do not allow, if that is wanted. A
        Lampwork beside which this project runs decides for its own services."""
        if self._beside is None:
            permissions = {
                name: (stack.functions[name].name, each)
                for name, each in stack.permissions.items()
                if name in stack.functions
            }
            self.guard.enforce(permissions if self._options.enforce_iam else None)

    def report_problems(self) -> list[str]:
        """Say which functions cannot be loaded, and why. Returns what was said."""
        self._missing.forget()
        return self._problems.tell(self.stack.functions.values())

    def log_line(self, source: str, text: str, request_id: str = "") -> None:
        """Log a line of a function, a service or a process; a line of metrics is recorded
        instead."""
        if not self.metrics.embedded.record_line(text):
            self._log.line(source, text, request_id)

    def _guard_children(self, opened: AsyncExitStack) -> None:
        """Stop what a killed run left behind, and let nothing outlive this one."""
        folder = self._work_dir / "run"
        for name, pid in stop_left_overs(folder).items():
            self._say(f"Stopped {name} (pid {pid}), left over from a killed run.")
        opened.callback(ChildGuard(folder).close)

    async def _open_functions(self, opened: AsyncExitStack) -> None:
        self._lambda_paths, self.stack = await asyncio.gather(
            self._can_show_lambda_paths(), self._stack_loader.load(self.config)
        )
        opened.push_async_callback(self.installations.stop)
        self._hosts.update(aws_hosts(self.stack, self.config.region, self.port))
        if not self._beside:  # the Lampwork that runs already serves them
            opened.callback(self._secrets.stop)
            self._secrets.serve(self.stack.functions.values())
        self.functions = Functions(
            self.stack.functions, self.runtime_settings(), self._on_log, self.metrics
        )
        opened.push_async_callback(self.functions.stop)
        await self.functions.start()

    async def _can_show_lambda_paths(self) -> bool:
        if not self.config.lambda_paths:
            return False
        reason = await why_not(sys.executable)
        if reason is not None:
            self._say(NO_LAMBDA_PATHS.format(reason))
        return reason is None

    def runtime_settings(self) -> RuntimeSettings:
        """How its functions run, once it is open."""
        # The variables are filled in once the services take requests, before the first invocation.
        return RuntimeSettings(
            data_dir=self.config.data,
            work_dir=self._work_dir,
            python=self.pythons.main,
            cold=self._options.cold,
            freeze=self._options.freeze,
            enforce_memory=self._options.enforce_memory,
            debugged=self._debugged(),
            max_environments=self.config.max_environments,
            preload=self.config.preload,
            lambda_paths=self._lambda_paths,
            multiprocessing=self.config.multiprocessing,
            grace=self._grace,
            on_files=self.read_files.add,
            recorder=self._recorder,
            on_start=lambda function: self.guard.record.ran(function.logical_id),
            packages=self.installations,
            install_ahead=self._install_ahead,
            hosts=self._hosts,
            defaults=self._variables.certificates(self.config.region),
            overrides=self.variables,
        )

    def _debugged(self) -> Debugged | None:
        debugged = self._options.debugged
        if debugged is None:
            return None
        function = debugged.find(self.stack.functions)
        return replace(debugged, function=function.logical_id)

    def _grace(self) -> float:
        """Seconds to add to a time limit: the embedded AWS takes a while to load, whereas AWS
        answers at once."""
        aws = self.services.aws
        return LOADING_SECONDS if aws is not None and aws.is_loading else 0

    async def _create_and_run(self) -> None:
        await self._create()
        if self._beside is None:  # which has run them
            programs = self.pythons.main.programs
            await run_commands(self.config, programs, self.variables, self.log_line)

    async def _create(self) -> None:
        stack = await self._created(self.stack)
        if stack is not self.stack:
            self.stack = stack
            await self.functions.reload(stack.functions)

    async def _created(self, stack: Stack) -> Stack:
        """Create the stack's resources. Returns the stack with the values that its functions'
        variables refer to."""
        await self.services.create(without_references(stack.resources))
        references = references_in(stack.functions)
        if not (references or stack.custom_resources):
            return stack
        others = [each for each in references if not is_reference(each)]
        values = dict(await self.services.resolve(others)) if others else {}

        async def ready(custom: Mapping[str, str | None]) -> None:
            await self.functions.reload(with_values(stack.functions, {**values, **custom}))

        values |= await self._custom_resources.apply(
            stack.custom_resources, stack.functions, self.functions, values, ready
        )
        stack = replace(stack, deployed=with_custom_outputs(stack.deployed, values))
        resources = with_custom_values(stack.resources, values)
        if resources != list(stack.resources):
            await self.services.create(resources)
            values |= await self.services.resolve(others) if others else {}
            stack = replace(stack, resources=tuple(resources))
        for function, name, reference in unresolved(stack.functions, values):
            self._say(
                f"{function.template.name}, line {function.line}: {name} of"
                f" {function.logical_id} is empty, since there is no {reference}."
            )
        return replace(stack, functions=with_values(stack.functions, values))

    def _report_unapplied(self, config: Config) -> None:
        changed = [
            key for key in READ_AT_START if getattr(config, key) != getattr(self.config, key)
        ]
        if changed:
            names = ", ".join(changed)
            self._say(f"{names}: changed, but read only at the start. Restart to apply.")

    def _on_log(self, function: Function, line: str, request_id: str) -> None:
        if is_platform_line(line) and not self._options.verbose:
            return
        text = with_editors_paths(as_text(line), function)
        if not is_advice(text) and not self._problems.explain(text, function):
            self.log_line(function.logical_id, text, request_id)
            self._missing.read(text, function)
