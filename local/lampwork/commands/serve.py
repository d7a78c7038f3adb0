import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from lampwork.app.signals import run_until_signalled
from lampwork.app.up import Up
from lampwork.commands.background.start import DETACH, start_detached
from lampwork.commands.options import Command, opened_log, options_of, run_options
from lampwork.commands.sam.command import command_of_sam
from lampwork.commands.sam.words import OF_ALL, OF_SERVERS, VOLUME, words
from lampwork.config.samconfig import START_API
from lampwork.errors import ConfigurationError
from lampwork.front.options import FrontOptions
from lampwork.stack.model import Stack
from lampwork.stack.narrowing import (
    Narrow,
    everything,
    only_functions,
    select,
    without_authorizers,
    without_triggers,
)
from lampwork.triggers.registry import SOURCES

# The ports of `sam local start-api` and `sam local start-lambda`.
API_PORT: Final = 3000
LAMBDA_PORT: Final = 3001
# What `up` reads itself.
NOT_OF_OPTIONS: Final = ("no_reload", "log_file", "ready_file")
# How SAM_DEBUG and samconfig.toml write a switch; a plain --debug is "".
OFF: Final = ("0", "false", "no", "off", "False")
SWITCHES: Final = ("", "1", "true", "yes", "on", *OFF)


def serve_options(port: int | None) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                *("-p", "--port"),
                type=click.IntRange(0, 65535),
                default=port,
                show_default=port is not None,
                help="The port to listen on; 0 takes any free one."
                + ("" if port else " [default: port in [tool.lampwork], else 8000]"),
            ),
            click.option(
                "--host",
                help="The address to listen on. [default: host in [tool.lampwork], else 127.0.0.1]",
            ),
            click.option(
                "--allowed-host",
                "allowed_hosts",
                multiple=True,
                envvar="LAMPWORK_ALLOWED_HOSTS",
                help="A host name, besides localhost and addresses, under which requests are"
                " answered; may be repeated.",
            ),
            click.option(
                "--strict",
                is_flag=True,
                help="Refuse a template if a part of it is not emulated.",
            ),
            click.option(
                *("--no-reload", "--no-watch", "no_reload"),
                is_flag=True,
                help="Do not watch files for changes.",
            ),
            click.option(
                "--time-scale",
                type=click.FloatRange(0, min_open=True),
                default=1,
                help="Shorten idle times and pauses between tries: at 0.001, an hour takes 3.6 s.",
            ),
        ):
            command = option(command)
        return run_options(command)

    return decorate


def own_options(command: Command) -> Command:
    """The options whose names have another meaning for `sam`."""
    for option in (
        click.option("--debug", metavar="NAME", help="Let this function wait for a debugger."),
        click.option(
            *("-v", "--verbose"),
            is_flag=True,
            help="Show Lambda's own log lines: START, END, REPORT.",
        ),
    ):
        command = option(command)
    return command


def options_of_sam(command: Command) -> Command:
    """The options that the commands of `sam local` have and `up` has not.

    Some letters mean something else to `sam`: --debug without a name, and -v with a folder.
    """
    for option in (
        click.option(
            *("--debug-function", "debug"),
            metavar="NAME",
            help="Let this function wait for a debugger.",
        ),
        click.option(
            *("--debug", "debugs"),
            is_flag=False,
            flag_value="",
            envvar="SAM_DEBUG",
            metavar="[NAME]",
            help="Show Lambda's own log lines; with a name, let this function wait for a debugger.",
        ),
        click.option(
            *("-v", "--docker-volume-basedir", "volume"),
            is_flag=False,
            flag_value="",
            envvar="SAM_DOCKER_VOLUME_BASEDIR",
            hidden=True,
        ),
        click.option("--verbose", is_flag=True, help="Show Lambda's own log lines, as -v does."),
    ):
        command = option(command)
    return words(*OF_ALL, *OF_SERVERS)(command)


class _Up(click.Command):
    """Lists first what people look for."""

    FIRST: Final = (
        *("port", "host", "template", "data", "env", "env_file", "only", "detach"),
        *("no_reload", "verbose", "debug", "debug_port", "log_file"),
    )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        places = {name: place for place, name in enumerate(self.FIRST)}
        return sorted(
            super().get_params(ctx), key=lambda each: places.get(each.name or "", len(places))
        )


@click.command(cls=_Up)
@serve_options(port=None)
@own_options
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Serve this function and no others; may be repeated.",
)
@click.option(
    "--enforce-iam",
    is_flag=True,
    help="Refuse functions what their policies do not let them ask of AWS, as AWS does.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that is there while requests are answered, with the address in JSON.",
)
@click.option("--testing", is_flag=True, hidden=True)  # how lampwork.testing starts it
@click.option(
    DETACH,
    is_flag=True,
    help="Run in the background; `lampwork status` and `lampwork down` know of it.",
)
def up(only: tuple[str, ...], detach: bool, **given: Any) -> None:
    """Serve the template's APIs and triggers until Ctrl-C."""
    if detach:
        data = options_of(**_without(NOT_OF_OPTIONS, given)).read_config()
        start_detached([each for each in sys.argv[1:] if each != DETACH], data.data)
        return
    _serve(partial(select, names=only, sources=SOURCES) if only else everything, **given)


@click.command(cls=command_of_sam(START_API))
@serve_options(API_PORT)
@options_of_sam
@click.option(
    *("-s", "--static-dir"),
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("public"),
    show_default=True,
    help="A folder whose files are served where no route is, if it exists.",
)
@click.option("--disable-authorizer", is_flag=True, help="Let everybody call; ask no authorizer.")
@click.option(
    "--ssl-cert-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate for TLS, in place of Lampwork's own.",
)
@click.option(
    "--ssl-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key of this certificate.",
)
def start_api(
    static_dir: Path,
    disable_authorizer: bool,
    ssl_cert_file: Path | None,
    ssl_key_file: Path | None,
    **given: Any,
) -> None:
    """Serve the template's APIs, without its triggers.

    The routes of REST APIs also answer without their stage, as in `sam local`.
    """
    if (ssl_cert_file is None) != (ssl_key_file is None):
        raise ConfigurationError("--ssl-cert-file and --ssl-key-file belong together.")
    front = FrontOptions(
        stage_optional=True,
        static_dir=Path.cwd() / static_dir,
        certificate=(ssl_cert_file, ssl_key_file) if ssl_cert_file and ssl_key_file else None,
    )
    narrow = partial(without_triggers, sources=SOURCES)
    if disable_authorizer:
        narrow = partial(_chained, narrow, without_authorizers)
    _serve_as_sam(narrow, "local_start_api", front=front, **given)


@click.command(cls=command_of_sam("local_start_lambda"))
@serve_options(LAMBDA_PORT)
@options_of_sam
@click.argument("functions", nargs=-1)
def start_lambda(functions: tuple[str, ...], **given: Any) -> None:
    """Serve only Lambda's Invoke API, for all functions or for those that are named.

    `boto3.client("lambda", endpoint_url=…)` calls it.
    """
    narrow = partial(only_functions, sources=SOURCES)
    if functions:
        chosen = partial(select, names=functions, sources=SOURCES)
        narrow = partial(_chained, narrow, chosen)
    _serve_as_sam(narrow, "local_start_lambda", **given)


def _without(names: Collection[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}


def _chained(first: Narrow, second: Narrow, stack: Stack) -> Stack:
    return second(first(stack))


def _serve_as_sam(
    narrow: Narrow,
    sam_command: str,
    *,
    debugs: str | None,
    debug: str | None,
    volume: str | None,
    verbose: bool,
    **given: Any,
) -> None:
    """Serve with options of `sam`: --debug and -v without a value ask for more lines."""
    if volume:
        click.echo(f"--docker-volume-basedir has no effect here: {VOLUME}.", err=True)
    plain_debug = debugs is not None and debugs.lower() in SWITCHES
    _serve(
        narrow,
        sam_command=sam_command,
        debug=debug or (None if plain_debug else debugs),
        verbose=verbose or volume == "" or (plain_debug and debugs not in OFF),
        **given,
    )


def _serve(
    narrow: Narrow,
    *,
    no_reload: bool,
    log_file: Path | None,
    ready_file: Path | None = None,
    **given: Any,
) -> None:
    options = options_of(narrow=narrow, **given)
    log = opened_log(sys.stdout, log_file)
    up = Up(options, log, reload=not no_reload, ready_file=ready_file)
    run_until_signalled(up.run())
