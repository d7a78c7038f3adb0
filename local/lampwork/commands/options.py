"""The options that several commands share, named as in `sam local`."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TextIO

import click

from lampwork.app.project.options import Options
from lampwork.commands.template_options import load_with, template_options
from lampwork.config.encodings import decoded
from lampwork.config.project_config import REDIS_KINDS, Config
from lampwork.config.stack_files import stack_files
from lampwork.config.variables import region_of_profile, variable_given
from lampwork.errors import ConfigurationError
from lampwork.front.options import AS_ON_AWS, FrontOptions
from lampwork.logs.log import Log, LogHandler
from lampwork.stack.function_overrides import ALL_FUNCTIONS, Debugged
from lampwork.stack.narrowing import Narrow, everything

DEBUG_PORT: Final = 5678  # debugpy's own

Command = Callable[..., None]


def project_options(command: Command) -> Command:
    for option in (
        click.option("--data", type=Path, help="The folder that holds all data."),
        click.option(
            *("-t", "--template", "--template-file", "template"),
            type=Path,
            multiple=True,
            envvar="SAM_TEMPLATE_FILE",
            help="The SAM template; several are stacks beside each other. [default: template.yaml]",
        ),
        click.option("--region", help="The AWS region in which functions seem to run."),
        click.option(
            "--profile",
            metavar="NAME",
            help="A profile of AWS's own configuration, whose region is taken; never its account.",
        ),
    ):
        command = option(command)
    return template_options(command)


def variable_options(command: Command) -> Command:
    for option in (
        click.option(
            "--container-env-vars",
            type=click.File("rb"),
            help="A JSON file of further variables, for all functions or for single ones.",
        ),
        click.option(
            "--shell-env",
            is_flag=True,
            help="Where the template sets a variable that your shell has too, the shell's value"
            " wins, as in `sam local`.",
        ),
        click.option("--env-file", type=Path, help="A file of variables, one NAME=value per line."),
        click.option(
            *("-n", "--env-vars"),
            type=click.File("rb"),
            help="A JSON file of variables for single functions, in the format of `sam local`.",
        ),
        click.option(
            "--env",
            multiple=True,
            metavar="NAME[=VALUE]",
            help="A variable for functions, commands and processes; without a value, your shell's.",
        ),
    ):
        command = option(command)
    return project_options(command)


def run_options(command: Command) -> Command:
    for option in (
        click.option("--cold", is_flag=True, help="Start each process from scratch, as AWS does."),
        click.option(
            "--freeze",
            is_flag=True,
            help="Suspend a function's process between its requests, as AWS does.",
        ),
        click.option(
            *("-d", "--debug-port"),
            type=click.IntRange(1, 65535),
            envvar="SAM_DEBUG_PORT",
            help=f"The port at which the function waits for a debugger; {DEBUG_PORT} by default.",
        ),
        click.option(
            "--redis",
            type=click.Choice(REDIS_KINDS),
            envvar="LAMPWORK_REDIS",
            help="Which embedded Redis to run; auto takes the first that is installed.",
        ),
        click.option(
            *("-l", "--log-file"),
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help="Also write the log to this file.",
        ),
        click.option(
            "--no-memory-limit", is_flag=True, help="Let functions use more than their MemorySize."
        ),
        click.option(
            "--python",
            envvar="LAMPWORK_PYTHON",
            metavar="VERSION|PATH",
            callback=lambda context, option, value: _absolute(value),
            help="The Python for functions, such as 3.12 or .venv/bin/python. [default: the"
            " project's .venv, else one with what its lock or requirements.txt asks for]",
        ),
    ):
        command = option(command)
    return variable_options(command)


def options_of(
    *,
    env: tuple[str, ...],
    env_vars: Any,
    cold: bool,
    freeze: bool,
    debug: str | None,
    debug_port: int | None,
    container_env_vars: Any = None,
    shell_env: bool = False,
    no_memory_limit: bool = False,
    enforce_iam: bool = False,
    strict: bool = False,
    verbose: bool = False,
    time_scale: float = 1,
    narrow: Narrow = everything,
    front: FrontOptions = AS_ON_AWS,
    testing: bool = False,
    **overrides: Any,
) -> Options:
    return Options(
        read_config=lambda: config_of(overrides),
        variables=dict(variable_given(each) for each in env),
        function_variables=_merged(
            _function_variables(env_vars), _further_variables(container_env_vars)
        ),
        shell_env=shell_env,
        enforce_memory=not no_memory_limit,
        enforce_iam=enforce_iam,
        cold=cold,
        freeze=freeze,
        strict=strict,
        verbose=verbose,
        time_scale=time_scale,
        debugged=_debugged(debug, debug_port),
        narrow=narrow,
        front=front,
        testing=testing,
    )


def config_of(overrides: dict[str, Any]) -> Config:
    """The project's configuration with the command line's options applied. Relative paths in these
    options start at the current folder.

    Raises:
        ConfigurationError: a file that is named is not there, or the data folder is not writable.
    """
    here = Path.cwd()
    overrides = dict(overrides)
    profile = overrides.pop("profile", None)
    if profile is not None and overrides.get("region") is None:
        overrides["region"] = region_of_profile(profile)
    config = load_with(here, overrides)
    options: dict[str, Any] = {
        key: here / value if isinstance(value, Path) else value
        for key, value in overrides.items()
        if value not in (None, ())
    }
    if templates := options.pop("template", ()):
        options["template"] = here / templates[0]
    if len(templates) > 1:
        options["stacks"] = stack_files([here / each for each in templates])
    config = replace(config, **options)
    env_file = options.get("env_file")
    if env_file is not None and not env_file.is_file():
        raise ConfigurationError(f"--env-file: there is no file {env_file}.")
    if not config.template.is_file():
        raise ConfigurationError(
            f"There is no template {config.template}. Name yours with --template."
        )
    _make_data_folder(config.data)
    return config


def _absolute(python: str | None) -> str | None:
    return str(Path.cwd() / python) if python and "/" in python else python


def _make_data_folder(folder: Path) -> None:
    try:
        # The folder holds keys and accounts: only its owner may read it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
    else:
        if os.access(folder, os.W_OK | os.X_OK):
            return
        reason = "you may not write there"
    raise ConfigurationError(
        f"Data cannot be kept in {folder} ({reason}). Name another folder with --data."
    )


def opened_log(stream: TextIO, copy: Path | None) -> Log:
    """The log of a command, with the copy that --log-file asks for.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if copy is None:
        return log_to(Log(stream))
    try:
        return log_to(Log(stream, copy=copy.open("a", encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"--log-file {copy}: {error.strerror}.") from error


def log_to(log: Log) -> Log:
    logging.basicConfig(handlers=[LogHandler(log)], level=logging.WARNING)
    return log


def _debugged(function: str | None, port: int | None) -> Debugged | None:
    if function is None and port is None:
        return None
    if find_spec("debugpy") is None:
        raise ConfigurationError("Debugging needs debugpy: pip install 'lampwork[debug]'.")
    return Debugged(function or "", port or DEBUG_PORT)


def _merged(*files: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    names = {name for file in files for name in file}
    return {
        name: dict(pair for file in files for pair in file.get(name, {}).items()) for name in names
    }


def _further_variables(file: Any) -> Mapping[str, Mapping[str, str]]:
    """Variables by function, as in --env-vars; what stands beside them is for all functions."""
    values = _json_object("--container-env-vars", file)
    flat = {name: each for name, each in values.items() if not isinstance(each, dict)}
    single = {name: each for name, each in values.items() if isinstance(each, dict)}
    return _as_text({**single, ALL_FUNCTIONS: {**single.get(ALL_FUNCTIONS, {}), **flat}})


def _function_variables(file: Any) -> Mapping[str, Mapping[str, str]]:
    """The variables of a file as `sam local` reads it. Its text forms of other values are SAM's.

    https://github.com/aws/aws-sam-cli/blob/develop/samcli/local/lambdafn/env_vars.py
    """
    values = _json_object("--env-vars", file)
    wrong = [name for name, variables in values.items() if not isinstance(variables, dict)]
    if wrong:
        raise _unfit("--env-vars", file, f"{wrong[0]} is no function with variables")
    return _as_text(values)


def _json_object(option: str, file: Any) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        values = json.loads(decoded(file.read()))
    except ValueError as error:
        raise _unfit(option, file, f"{error}") from error
    if not isinstance(values, dict):
        raise _unfit(option, file, "it is no object")
    return values


def _unfit(option: str, file: Any, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f'{option} {file.name} must be JSON such as {{"FunctionName": {{"NAME": "value"}}}}:'
        f" {reason}."
    )


def _as_text(values: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, str]]:
    return {
        function: {name: _as_sam_writes(value) for name, value in variables.items()}
        for function, variables in values.items()
    }


def _as_sam_writes(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, dict | list) else str(value)
