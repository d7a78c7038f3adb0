import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import click

from lampwork.app.signals import run_until_signalled
from lampwork.app.up import Up
from lampwork.commands.options import Command, log_to, options_of, run_options
from lampwork.logs.log import Log
from lampwork.stack.narrowing import Narrow, everything, only_functions, select, without_triggers
from lampwork.triggers.registry import SOURCES

# The ports of `sam local start-api` and `sam local start-lambda`.
API_PORT: Final = 3000
LAMBDA_PORT: Final = 3001


def serve_options(port: int | None) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                *("-p", "--port"),
                type=click.IntRange(0, 65535),
                default=port,
                show_default=port is not None,
                help="The port to listen on; 0 takes any free one.",
            ),
            click.option("--host", help="The address to listen on."),
            click.option(
                "--allowed-host",
                "allowed_hosts",
                multiple=True,
                envvar="LAMPWORK_ALLOWED_HOSTS",
                help="A host name, besides localhost, under which programs may read metrics and"
                " invoke functions; may be repeated.",
            ),
            click.option("--debug", metavar="NAME", help="Let this function wait for a debugger."),
            click.option(
                "--strict",
                is_flag=True,
                help="Refuse a template if a part of it is not emulated.",
            ),
            click.option("--no-reload", is_flag=True, help="Do not watch files for changes."),
            click.option(
                "--time-scale",
                type=click.FloatRange(0, min_open=True),
                default=1,
                help="Shorten idle times and pauses between tries: at 0.001, an hour takes 3.6 s.",
            ),
            click.option(
                *("-v", "--verbose"),
                is_flag=True,
                help="Show Lambda's own log lines: START, END, REPORT.",
            ),
        ):
            command = option(command)
        return run_options(command)

    return decorate


@click.command()
@serve_options(port=None)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Serve this function and no others; may be repeated.",
)
def up(only: tuple[str, ...], **given: Any) -> None:
    """Serve the template's APIs and triggers until Ctrl-C."""
    _serve(partial(select, names=only, sources=SOURCES) if only else everything, **given)


@click.command()
@serve_options(API_PORT)
def start_api(**given: Any) -> None:
    """Serve the template's APIs, without its triggers."""
    _serve(partial(without_triggers, sources=SOURCES), **given)


@click.command()
@serve_options(LAMBDA_PORT)
def start_lambda(**given: Any) -> None:
    """Serve only Lambda's Invoke API.

    `boto3.client("lambda", endpoint_url=…)` calls it.
    """
    _serve(partial(only_functions, sources=SOURCES), **given)


def _serve(narrow: Narrow, *, no_reload: bool, **given: Any) -> None:
    options = options_of(narrow=narrow, **given)
    run_until_signalled(Up(options, log_to(Log(sys.stdout)), reload=not no_reload).run())
