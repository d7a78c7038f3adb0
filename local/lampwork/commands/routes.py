from typing import Any

import click

from lampwork.app.project import load_stack, not_emulated
from lampwork.commands.options import config_of, project_options
from lampwork.stack import ways_in as routing
from lampwork.triggers.registry import SOURCES


@click.command()
@project_options
def routes(**overrides: Any) -> None:
    """List what the template's functions answer to and wake up by."""
    config = config_of(overrides)
    stack = load_stack(config, "http://localhost")
    click.echo(routing.table(stack, SOURCES, config.schedules))
    for line in not_emulated(stack):
        click.echo(f"Not emulated: {line}", err=True)
