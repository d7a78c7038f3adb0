import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from lampwork import invoke as invoking
from lampwork import routes as routing
from lampwork.config import REDIS_KINDS, Config, load_config
from lampwork.errors import ConfigurationError, LampworkError
from lampwork.logs import Log, LogHandler
from lampwork.project import Options, load_stack
from lampwork.signals import run_until_signalled
from lampwork.up import Up
from lampwork.variables import given

VERSION: Final = "0.1.0"
INTERRUPTED: Final = 130

Command = Callable[..., None]


def main() -> None:
    """The program `lampwork`. What is the user's to know is said without a traceback."""
    try:
        lampwork(prog_name="lampwork")
    except LampworkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="lampwork", message="%(prog)s %(version)s")
def lampwork() -> None:
    """Run the Python functions of a SAM template on this machine."""


def project_options(command: Command) -> Command:
    for option in (
        click.option("--data", type=Path, help="Where all data are kept."),
        click.option("--template", type=Path, help="The SAM template."),
    ):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    for option in (
        click.option("--cold", is_flag=True, help="Start each process from nothing, as AWS does."),
        click.option("--redis", type=click.Choice(REDIS_KINDS), envvar="LAMPWORK_REDIS"),
        click.option("--env-file", type=Path, help="Variables, one NAME=value a line."),
        click.option(
            "--env",
            multiple=True,
            metavar="NAME[=VALUE]",
            help="A variable for functions, commands and processes; without a value, the one here.",
        ),
    ):
        command = option(command)
    return project_options(command)


@lampwork.command()
@run_options
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--host", help="The address to listen on.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    envvar="LAMPWORK_ALLOWED_HOSTS",
    help="A name, besides localhost, by which Prometheus or boto3 may ask for metrics and Invoke.",
)
@click.option("--strict", is_flag=True, help="Refuse a template with what is not emulated.")
@click.option("--no-reload", is_flag=True, help="Do not watch files for changes.")
@click.option("-v", "--verbose", is_flag=True, help="Show Lambda's own lines: START, END, REPORT.")
def up(
    env: tuple[str, ...],
    cold: bool,
    strict: bool,
    no_reload: bool,
    verbose: bool,
    **overrides: Any,
) -> None:
    """Serve the template's APIs and triggers until Ctrl-C."""
    log = _log(Log(sys.stdout))
    options = _options(env, overrides, cold=cold, strict=strict, verbose=verbose)
    run_until_signalled(Up(options, log, reload=not no_reload).run())


@lampwork.command()
@click.argument("function")
@click.option("-e", "--event", type=click.File("rb"), help="A JSON file; - is standard input.")
@run_options
def invoke(function: str, event: Any, env: tuple[str, ...], cold: bool, **overrides: Any) -> None:
    """Run a function once: its result on standard output, its log on standard error.

    A running `lampwork up` serves it; without one, what the project needs is started for the call.
    """
    payload = _payload(event)
    options = _options(env, overrides, cold=cold, verbose=True)
    origin = invoking.origin_of_running(options.read_config().data)
    if origin is None:
        log = _log(Log(sys.stderr))
        outcome = run_until_signalled(invoking.invoke_alone(options, log, function, payload))
    else:
        outcome = invoking.invoke_running(origin, function, payload)
    if outcome is None:
        sys.exit(INTERRUPTED)
    click.echo(outcome.log, err=True, nl=False)
    click.echo(outcome.payload)
    sys.exit(1 if outcome.failed else 0)


@lampwork.command()
@project_options
def routes(**overrides: Any) -> None:
    """List what the template's functions answer to and wake up by."""
    config = _config(overrides)
    click.echo(routing.table(load_stack(config, "http://localhost"), config.schedules))


def _options(
    env: tuple[str, ...],
    overrides: dict[str, Any],
    *,
    cold: bool,
    strict: bool = False,
    verbose: bool = False,
) -> Options:
    return Options(
        read_config=lambda: _config(overrides),
        variables=dict(given(each) for each in env),
        cold=cold,
        strict=strict,
        verbose=verbose,
    )


def _config(overrides: dict[str, Any]) -> Config:
    """The project's configuration with the options given; their paths start where one stands."""
    here = Path.cwd()
    options: dict[str, Any] = {
        key: here / value if isinstance(value, Path) else value
        for key, value in overrides.items()
        if value not in (None, ())
    }
    config = replace(load_config(here), **options)
    for name, file in (("--env-file", options.get("env_file")), ("template", config.template)):
        if file is not None and not file.is_file():
            raise ConfigurationError(f"{name}: there is no file {file}.")
    return config


def _payload(event: Any) -> bytes:
    content: bytes = event.read() if event else b"{}"
    try:
        json.loads(content)
    except ValueError as error:
        raise ConfigurationError(f"The event {event.name} is not JSON: {error}.") from error
    return content


def _log(log: Log) -> Log:
    logging.basicConfig(handlers=[LogHandler(log)], level=logging.WARNING)
    logging.getLogger("lampwork.access").setLevel(logging.INFO)
    return log
