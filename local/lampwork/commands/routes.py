from typing import Any

import click

from lampwork import routes as routing
from lampwork.commands.options import config_of, project_options
from lampwork.project import load_stack


@click.command()
@project_options
def routes(**overrides: Any) -> None:
    """List what the template's functions answer to and wake up by."""
    config = config_of(overrides)
    click.echo(routing.table(load_stack(config, "http://localhost"), config.schedules))
