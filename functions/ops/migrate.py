"""Brings the database to this code's schema: CloudFormation calls it before other functions change.

By hand: `lampwork invoke OpsMigrate -e event.json` or `aws lambda invoke`, with
`{"command": "current"}`, `{"command": "upgrade"}` or `{"command": "downgrade", "to": "0007"}`.
"""

from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from shared import database
from shared.errors import Unprocessable
from shared.process import custom_resource
from shared.process.entry_point import entry_point
from shared.process.event_loop import run

MIGRATIONS = Path(__file__).parents[2] / "migrations"
USAGE = 'Give {"command": "current"}, {"command": "upgrade"} or {"command": "downgrade", "to": …}.'


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give the revision before and after, and what was done, in lines for people.

    Raises:
        Unprocessable: the event is no such command.
    """
    if not custom_resource.is_event(event):
        return _commanded(event, context)
    # Within, so that CloudFormation is told of unsafe settings too.
    return custom_resource.answer(event, lambda: _deployed(event, context))


@entry_point
def _commanded(event: dict[str, Any], context: Any) -> dict[str, Any]:
    match event:
        case {"command": "current"}:
            return {"revision": _current(), "newest": _newest()}
        case {"command": "upgrade"}:
            return _moved("head")
        case {"command": "downgrade", "to": str(revision)}:
            return _moved(revision)
    raise Unprocessable(USAGE)


@entry_point
def _deployed(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Upgrade with each deployment and never go back: while CloudFormation rolls back, the code
    before still works with the schema after."""
    before = _current()
    return _moved("head") if _is_known(before) else {"revision": before}


def _moved(to: str) -> dict[str, Any]:
    before, said = _current(), StringIO()
    config = _config(said)
    if to == "head":
        command.upgrade(config, to)
    else:
        command.downgrade(config, to)
    return {"before": before, "revision": _current(), "said": said.getvalue().splitlines()}


def _is_known(revision: str | None) -> bool:
    """Whether it is one of this code's; a newer version has others."""
    script = ScriptDirectory.from_config(_config())
    return revision is None or revision in {each.revision for each in script.walk_revisions()}


def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config(said: StringIO | None = None) -> Config:
    config = Config(stdout=said or StringIO())
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _current() -> str | None:
    return run(_ask())


async def _ask() -> str | None:
    async with database.engine().connect() as connection:
        return await connection.run_sync(_read)


def _read(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
