import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lampwork.companions.reading.files_read import FilesRead
from lampwork.companions.supervision import OnLog, Program, Supervised, run_to_end
from lampwork.concurrency import run_all
from lampwork.config.project_config import Command, Config, Process
from lampwork.config.variables import inherited
from lampwork.errors import ConfigurationError
from lampwork.permissions.callers import known_by_token
from lampwork.stack.model import Function


async def run_commands(
    config: Config, programs: Path, variables: Mapping[str, str], on_log: OnLog
) -> None:
    """Run the project's commands to their end, one after the other, with the `programs` of the
    project's Python.

    Raises:
        StartError: one failed; those after it have not been run.
    """
    for command in config.commands:
        await run_to_end(_program(command, config, programs, variables), on_log)


class ProjectProcesses:
    """The processes that a project runs beside its functions."""

    def __init__(self, config: Config, on_log: OnLog, on_quiet: OnLog) -> None:
        self._config = config
        self._on_log = on_log
        self._on_quiet = on_quiet
        self._running: Sequence[tuple[Process, Supervised]] = ()
        self._files = FilesRead(config.data / "run")

    async def start(
        self, programs: Path, variables: Mapping[str, str], functions: Mapping[str, Function]
    ) -> None:
        """Start all processes that are wanted.

        Each finds the `programs` of the project's Python, and gets `variables`, and below them
        those of the function it stands in for.

        Raises:
            ConfigurationError: one stands in for a function that the template does not have.
            StartError: one did not start.
        """
        self._programs = programs
        running = []
        for each in self._config.processes:
            process_variables = _variables(each, variables, functions)
            if _is_wanted(each, process_variables):
                program = self._told(_program(each, self._config, programs, process_variables))
                running.append((each, Supervised(program, self._log_of(each))))
        self._running = running
        await run_all(*(supervised.start() for _, supervised in self._running))

    async def restart(
        self,
        variables: Mapping[str, str],
        functions: Mapping[str, Function],
        saved: Collection[Path] | None = None,
    ) -> None:
        """Restart the processes with `reload`, after variables have changed or files were saved.

        Those that have opened none of the `saved` files run on; None stands for any file.
        """
        reloaded = [
            (process, supervised)
            for process, supervised in self._running
            if process.reload and (saved is None or self._files.read_any(process.name, saved))
        ]
        for process, supervised in reloaded:
            environment = _environment(self._programs, _variables(process, variables, functions))
            supervised.program = self._told(replace(supervised.program, environment=environment))
        await run_all(*(supervised.restart() for _, supervised in reloaded))

    async def stop(self) -> None:
        await run_all(*(supervised.stop() for _, supervised in self._running))
        self._files.remove()

    def _log_of(self, process: Process) -> OnLog:
        def on_log(name: str, line: str) -> None:
            is_quiet = process.quiet is not None and process.quiet.search(line)
            (self._on_quiet if is_quiet else self._on_log)(name, line)

        return on_log

    def _told(self, program: Program) -> Program:
        """The program, as one that tells which files it opens."""
        environment = self._files.environment(program.name, program.environment)
        return replace(program, environment=environment)


def _is_wanted(process: Process, variables: Mapping[str, str]) -> bool:
    if process.unless is None:
        return True
    name, value = process.unless
    return variables.get(name) != value


def _variables(
    process: Process, variables: Mapping[str, str], functions: Mapping[str, Function]
) -> Mapping[str, str]:
    if process.stands_in_for is None:
        return variables
    if process.stands_in_for not in functions:
        raise ConfigurationError(
            f"processes.{process.name}.stands_in_for: the template has no function"
            f" {process.stands_in_for!r}."
        )
    own = functions[process.stands_in_for].environment
    return known_by_token({**own, **variables}, process.stands_in_for)


def _program(
    entry: Command | Process, config: Config, programs: Path, variables: Mapping[str, str]
) -> Program:
    program = Program(
        name=entry.name,
        argv=entry.run,
        environment=_environment(programs, variables),
        cwd=config.root,
        run_dir=config.data / "run",
    )
    if isinstance(entry, Process):
        return replace(program, stop_signal=entry.stop_signal, finish_signal=entry.finish_signal)
    return program


def _environment(programs: Path, variables: Mapping[str, str]) -> dict[str, str]:
    shell = inherited()
    # The tools of the project's own venv take precedence over others of the same name.
    own = Path(sys.executable).parent
    path = os.pathsep.join(
        (*dict.fromkeys((f"{programs}", f"{own}")), shell.get("PATH", os.defpath))
    )
    return {**shell, "PATH": path, "PYTHONUNBUFFERED": "1", **variables}
