import json
import sys
from dataclasses import asdict
from typing import Any, Final

import click

from lampwork.app.lock import lock_owner
from lampwork.commands.options import config_of, project_options

NOT_RUNNING: Final = 3  # as the status of a service has it in the Linux Standard Base


@click.command()
@project_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def status(*, as_json: bool, **overrides: Any) -> None:
    """Say whether Lampwork runs for this project, and where.

    Exit codes: 0, it answers requests; 3, it does not.
    """
    data = config_of(overrides).data
    owner = lock_owner(data)
    runs = owner is not None and owner.origin is not None
    if as_json:
        told = asdict(owner) if owner else {}
        click.echo(json.dumps({"running": runs, **told, "data": str(data)}, indent=2))
    elif owner is None:
        click.echo(f"Lampwork does not run with {data}.")
    elif runs:
        click.echo(f"Lampwork is up: {owner.origin}   (pid {owner.pid}, {owner.template})")
    else:
        click.echo(f"Lampwork is just starting or stopping (pid {owner.pid}).")
    sys.exit(0 if runs else NOT_RUNNING)
