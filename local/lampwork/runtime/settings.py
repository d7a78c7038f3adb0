from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lampwork.history.history import Recorder, Unrecorded
from lampwork.interpreters.python import Python, own_python
from lampwork.runtime.packages import NoPackages, Packages
from lampwork.runtime.read_files import FileUse
from lampwork.stack.function_overrides import DAY_SECONDS, Debugged
from lampwork.stack.model import Function


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How functions run: on `python`, unless a function has another one.

    A function's own environment variables replace `defaults`; `overrides`, such as the endpoints
    of local services, replace both. `grace` returns the seconds by which a request that begins now
    may exceed its function's time-out: it may have to wait for a local service that is always up on
    AWS. `preload` names packages to load for functions whose code does not visibly import them.
    `work_dir`, by default the data folder, holds what ends with this run. `cold` starts every
    process from nothing, as AWS does, instead of forking it from one that has
    the packages loaded. An idle environment ends after `idle_seconds`, and after
    `surplus_idle_seconds` if its function has others. `freeze` suspends processes
    between requests. The `debugged` function has one environment, which waits for a debugger.
    `packages` installs what functions ask for: with `install_ahead` as soon as it is known, else
    when a function first starts.
    `on_files` is told which files functions open, and `on_start` which function starts.

    With `lambda_paths`, a function finds its code, layers and temporary files at Lambda's paths:
    this machine must be able to. `multiprocessing` allows the locks and queues that Lambda has not.
    `hosts` are those of AWS that lead to a port of this machine. The `recorder` notes each
    invocation.
    """

    data_dir: Path
    work_dir: Path | None = None
    python: Python = field(default_factory=own_python)
    cold: bool = False
    freeze: bool = False
    debugged: Debugged | None = None
    max_environments: int = 1000  # as an AWS account has by default
    queue_seconds: float = 30  # as long as the gateways wait
    init_seconds: float = 10  # as on Lambda
    idle_seconds: float = 60
    surplus_idle_seconds: float = 10
    grow_after_ms: float = 6
    stop_seconds: float = 2
    enforce_memory: bool = True
    lambda_paths: bool = False
    multiprocessing: bool = False
    hosts: Mapping[str, int] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    packages: Packages = field(default_factory=NoPackages)
    install_ahead: bool = False
    on_files: Callable[[Sequence[FileUse]], None] = lambda uses: None
    recorder: Recorder = field(default_factory=Unrecorded)
    on_start: Callable[[Function], None] = lambda function: None
    grace: Callable[[], float] = lambda: 0
    defaults: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    def python_of(self, function: Function) -> Python:
        return function.python or self.python

    def debug_port(self, function: Function) -> int | None:
        """The port on which this function waits for a debugger; None if it is not debugged."""
        if self.debugged is None or self.debugged.function != function.logical_id:
            return None
        return self.debugged.port

    def init_limit(self, function: Function) -> float:
        """Seconds a function has to load; one that is debugged first waits for a person."""
        return DAY_SECONDS if self.debug_port(function) else self.init_seconds

    def shows_lambda_paths(self, function: Function) -> bool:
        """Whether this function knows its files by Lambda's paths. Where a debugger waits for it,
        it does not: an editor's breakpoints are in the files themselves."""
        return self.lambda_paths and self.debug_port(function) is None

    @property
    def temporary_dir(self) -> Path:
        return (self.work_dir or self.data_dir).resolve() / "tmp"

    @property
    def bytecode_dir(self) -> Path:
        return self.data_dir.resolve() / "bytecode"
