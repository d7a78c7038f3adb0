"""The options that several commands share, named as in `sam local`."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from lampwork.app.project.options import Options
from lampwork.commands.template_options import load_with, template_options
from lampwork.config.encodings import decoded
from lampwork.config.project_config import REDIS_KINDS, Config
from lampwork.config.variables import variable_given
from lampwork.errors import ConfigurationError
from lampwork.logs.log import Log, LogHandler
from lampwork.stack.function_overrides import Debugged
from lampwork.stack.narrowing import Narrow, everything

DEBUG_PORT: Final = 5678  # debugpy's own

Command = Callable[..., None]


def project_options(command: Command) -> Command:
    for option in (
        click.option("--data", type=Path, help="The folder that holds all data."),
        click.option(
            *("-t", "--template", "--template-file", "template"),
            type=Path,
            help="The SAM template.",
        ),
    ):
        command = option(command)
    return template_options(command)


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
            help=f"The port at which the function waits for a debugger; {DEBUG_PORT} by default.",
        ),
        click.option(
            "--redis",
            type=click.Choice(REDIS_KINDS),
            envvar="LAMPWORK_REDIS",
            help="Which embedded Redis to run; auto takes the first that is installed.",
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


def options_of(
    *,
    env: tuple[str, ...],
    env_vars: Any,
    cold: bool,
    freeze: bool,
    debug: str | None,
    debug_port: int | None,
    strict: bool = False,
    verbose: bool = False,
    time_scale: float = 1,
    narrow: Narrow = everything,
    **overrides: Any,
) -> Options:
    return Options(
        read_config=lambda: config_of(overrides),
        variables=dict(variable_given(each) for each in env),
        function_variables=_function_variables(env_vars),
        cold=cold,
        freeze=freeze,
        strict=strict,
        verbose=verbose,
        time_scale=time_scale,
        debugged=_debugged(debug, debug_port),
        narrow=narrow,
    )


def config_of(overrides: dict[str, Any]) -> Config:
    """The project's configuration with the command line's options applied. Relative paths in these
    options start at the current folder.

    Raises:
        ConfigurationError: a file that is named is not there, or the data folder is not writable.
    """
    here = Path.cwd()
    overrides = dict(overrides)
    config = load_with(here, overrides)
    options: dict[str, Any] = {
        key: here / value if isinstance(value, Path) else value
        for key, value in overrides.items()
        if value not in (None, ())
    }
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


def log_to(log: Log) -> Log:
    logging.basicConfig(handlers=[LogHandler(log)], level=logging.WARNING)
    return log


def _debugged(function: str | None, port: int | None) -> Debugged | None:
    if function is None:
        if port is not None:
            raise ConfigurationError("--debug-port needs --debug NAME, the function to debug.")
        return None
    if find_spec("debugpy") is None:
        raise ConfigurationError("Debugging needs debugpy: pip install 'lampwork[debug]'.")
    return Debugged(function, port or DEBUG_PORT)


def _function_variables(file: Any) -> Mapping[str, Mapping[str, str]]:
    """The variables of a file as `sam local` reads it. Its text forms of other values are SAM's.

    https://github.com/aws/aws-sam-cli/blob/develop/samcli/local/lambdafn/env_vars.py
    """
    if file is None:
        return {}
    try:
        values = json.loads(decoded(file.read()))
        return {
            function: {name: _as_sam_writes(value) for name, value in variables.items()}
            for function, variables in values.items()
        }
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"--env-vars {file.name} must be JSON such as"
            f' {{"FunctionName": {{"NAME": "value"}}}}: {error}.'
        ) from error


def _as_sam_writes(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, dict | list) else str(value)
