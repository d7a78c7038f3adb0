import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final

import click

from lampwork.errors import LampworkError

VERSION: Final = "0.1.0"
OVERRIDES: Final = "--parameter-overrides"


class Program(click.Group):
    """Lets several words follow `--parameter-overrides` in every command, as `sam` does.

    click gives each option a fixed number of words. So this repeats the option's name before each
    further word, and then passes the words on to the command.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(with_repeated_overrides(args)))


def with_repeated_overrides(words: list[str]) -> Iterator[str]:
    """The words of a command line, with `--parameter-overrides` before each of its values.

    The first value may be any word. The words after it are values too, as long as they contain "="
    and do not begin with "-". Nothing changes after "--", which ends the options.
    """
    rest = iter(words)
    takes_values = False
    for word in rest:
        if word == "--":
            yield from (word, *rest)
        elif word == OVERRIDES:
            takes_values = True
            yield from (word, *islice(rest, 1))
        elif takes_values and "=" in word and not word.startswith("-"):
            yield from (OVERRIDES, word)
        else:
            takes_values = word.startswith(f"{OVERRIDES}=")
            yield word


def main() -> None:
    """The program `lampwork`. Prints a LampworkError as a message, without a traceback."""
    try:
        _add_commands()
        lampwork(prog_name="lampwork")
    except LampworkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="lampwork", message="%(prog)s %(version)s")
def lampwork() -> None:
    """Run the Python functions of a SAM template on this machine."""


def _add_commands() -> None:
    # These imports load the packages that Lampwork checks. They stand here so that `main` can print
    # the error if one of the packages does not fit.
    from lampwork.commands.generate_event import generate_event
    from lampwork.commands.invoke import invoke
    from lampwork.commands.logs import logs
    from lampwork.commands.queues import queues
    from lampwork.commands.routes import routes
    from lampwork.commands.serve import start_api, start_lambda, up

    for command in (up, start_api, start_lambda, invoke, routes, queues, logs, generate_event):
        lampwork.add_command(command)
