from typing import Any

import click

from lampwork.app.project.stack_loading import load_stack, not_emulated
from lampwork.commands.options import config_of, project_options
from lampwork.stack import entry_points
from lampwork.triggers.registry import SOURCES


@click.command()
@project_options
def routes(**overrides: Any) -> None:
    """List the routes and triggers of functions."""
    config = config_of(overrides)
    stack = load_stack(config, "http://localhost")
    click.echo(entry_points.table(stack, SOURCES, config.schedules))
    for warning in stack.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for line in map(not_emulated, stack.ignored):
        click.echo(f"Not emulated: {line}", err=True)
