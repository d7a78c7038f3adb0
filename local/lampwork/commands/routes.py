import json
from typing import Any, Final

import click

from lampwork.app.project.stack_loading import load_stack, not_emulated
from lampwork.commands.options import config_of, project_options
from lampwork.stack import entry_points
from lampwork.triggers.registry import SOURCES

KEYS: Final = ("kind", "name", "function")


@click.command()
@project_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def routes(*, as_json: bool, **overrides: Any) -> None:
    """List the routes and triggers of functions."""
    config = config_of(overrides)
    stack = load_stack(config, "http://localhost")
    if as_json:
        rows = entry_points.listed(stack, SOURCES, config.schedules)
        objects = [dict(zip(KEYS, row, strict=True)) for row in rows]
        click.echo(json.dumps(objects, ensure_ascii=False, indent=2))
    else:
        click.echo(entry_points.table(stack, SOURCES, config.schedules))
    for warning in stack.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for line in map(not_emulated, stack.ignored):
        click.echo(f"Not emulated: {line}", err=True)
