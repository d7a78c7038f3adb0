import sys
from pathlib import Path
from typing import Any

import click

from lampwork.commands.options import config_of
from lampwork.errors import ConfigurationError
from lampwork.logs.log import Log
from lampwork.logs.log_file import LOG_NAME, read_entries


@click.command()
@click.option(
    *("-n", "--name", "names"),
    multiple=True,
    help="Show only this function or process; may be repeated.",
)
@click.option(
    *("-f", "-t", "--follow", "--tail", "follow"),
    is_flag=True,
    help="Keep showing new lines as they come.",
)
@click.option("--data", type=Path, help="The folder that holds all data.")
def logs(names: tuple[str, ...], follow: bool, **overrides: Any) -> None:
    """Show what functions and processes printed.

    Each line of a function begins with the id of its request.
    """
    folder: Path = config_of(overrides).data
    if not (folder / LOG_NAME).exists():
        raise ConfigurationError(f"There is no log in {folder} yet: `lampwork up` writes it.")
    log = Log(sys.stdout)
    found = False
    try:
        for entry in read_entries(folder, names, follow=follow):
            found = True
            text = f"{entry.request_id} {entry.text}" if entry.request_id else entry.text
            log.say(log.entry(entry.time, entry.source, text))
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # `lampwork logs | head`
        sys.stderr.close()
    else:
        if names and not found:
            sources = sorted({entry.source for entry in read_entries(folder, (), follow=False)})
            raise ConfigurationError(
                f"The log has no entries of {', '.join(names)}, only of"
                f" {', '.join(sources) or 'nothing yet'}."
            )
