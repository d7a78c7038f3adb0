import sys
from typing import Final

import click

from lampwork.errors import LampworkError

VERSION: Final = "0.1.0"


def main() -> None:
    """The program `lampwork`. Prints a LampworkError as a message, without a traceback."""
    try:
        _add_commands()
        lampwork(prog_name="lampwork")
    except LampworkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="lampwork", message="%(prog)s %(version)s")
def lampwork() -> None:
    """Run the Python functions of a SAM template on this machine."""


def _add_commands() -> None:
    # Imported here, since a package that is not as Lampwork knows it is found out by that.
    from lampwork.commands.generate_event import generate_event
    from lampwork.commands.invoke import invoke
    from lampwork.commands.logs import logs
    from lampwork.commands.queues import queues
    from lampwork.commands.routes import routes
    from lampwork.commands.serve import start_api, start_lambda, up

    for command in (up, start_api, start_lambda, invoke, routes, queues, logs, generate_event):
        lampwork.add_command(command)
