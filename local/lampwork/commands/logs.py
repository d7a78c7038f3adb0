import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from lampwork.commands.options import config_of
from lampwork.commands.sam.command import command_of_sam
from lampwork.commands.sam.words import OF_LOGS, words
from lampwork.errors import ConfigurationError
from lampwork.logs.filters import Matches, text_filter
from lampwork.logs.log import Log
from lampwork.logs.log_file import LOG_NAME, Entry, read_entries
from lampwork.logs.moments import moment

TIME: Final = slice(-8, None)  # of an entry's date and time


def _filter(context: click.Context, option: click.Parameter, value: str | None) -> Matches:
    try:
        return text_filter(value or "")
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """A moment as the log writes it, so that both can be compared as text."""
    if value is None:
        return None
    try:
        return moment(value, datetime.now()).isoformat(timespec="seconds")
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no time such as '5mins ago', 'yesterday' or '2026-11-30 10:30'."
        ) from error


@click.command(cls=command_of_sam("logs"))
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
@click.option(
    "--filter",
    "matches",
    metavar="PATTERN",
    callback=_filter,
    help="Show only entries that match CloudWatch's pattern of text, such as 'ERROR -timeout'.",
)
@click.option(
    *("-s", "--start-time"),
    callback=_moment,
    help="Show only entries from this time on, such as '5mins ago'.",
)
@click.option(*("-e", "--end-time"), callback=_moment, help="Show only entries up to this time.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print JSON, one entry a line.",
)
@click.option("--data", type=Path, help="The folder that holds all data.")
@click.option("--config-file", type=Path, help="SAM's configuration, samconfig.toml.")
@click.option("--config-env", metavar="NAME", help="The environment in SAM's configuration.")
@words(*OF_LOGS)
def logs(
    names: tuple[str, ...],
    follow: bool,
    matches: Matches,
    start_time: str | None,
    end_time: str | None,
    output: str,
    **overrides: Any,
) -> None:
    """Show what functions and processes printed.

    Each line of a function begins with the id of its request.
    """
    folder: Path = config_of(overrides).data
    if not (folder / LOG_NAME).exists():
        raise ConfigurationError(f"There is no log in {folder} yet: `lampwork up` writes it.")

    def wanted(entry: Entry) -> bool:
        late = end_time is not None and not follow and entry.time > end_time
        early = start_time is not None and entry.time < start_time
        return not (early or late) and matches(entry.text)

    log = Log(sys.stdout)
    found = False
    try:
        for entry in read_entries(folder, names, follow=follow):
            found = True
            if wanted(entry):
                log.say(_as_json(entry) if output == "json" else _as_text(log, entry))
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


def _as_text(log: Log, entry: Entry) -> str:
    text = f"{entry.request_id} {entry.text}" if entry.request_id else entry.text
    return log.entry(entry.time[TIME], entry.source, text)


def _as_json(entry: Entry) -> str:
    fields = {"timestamp": entry.time, "source": entry.source, "requestId": entry.request_id}
    return json.dumps({**fields, "message": entry.text.replace("\r", "\n")}, ensure_ascii=False)
