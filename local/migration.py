"""Writes a migration from what changed in shared/models: `python -m local.migration MESSAGE`.

It compares the models with a new database that all migrations have made, never with yours.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DefaultClause,
    Enum,
    MetaData,
    Table,
    inspect,
    text,
)
from sqlalchemy.sql.naming import conv

ROOT = Path(__file__).resolve().parents[1]
LONGEST_REVISION = 32  # what the column alembic_version.version_num holds
NOTHING = (
    "Nothing has changed in shared/models, so there is nothing to write. For a migration of rows"
    " alone: make migration m='{}' empty=1"
)
NEXT = """\
Next:
  read it; what SQLite cannot alter is a copy of the table, which takes its rows along
  docs/user_domain.md and tests/rows.py: show the change there (tests compare them)
  .venv/bin/pytest tests/integration/test_migrations.py tests/integration/test_user_domain_page.py
  `make dev` applies it at the next start"""


class NothingToWrite(Exception):
    """Models and migrations agree."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make migration", description=__doc__)
    parser.add_argument("message", help="what it does, as a sentence: it names the file")
    parser.add_argument("--empty", action="store_true", help="write one that changes only rows")
    asked = parser.parse_args(arguments)
    try:
        path, notes = write(asked.message, empty=asked.empty)
    except NothingToWrite:
        sys.stderr.write(NOTHING.format(asked.message) + "\n")
        return 1
    except (CommandError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Wrote {os.path.relpath(path)}\n")
    sys.stdout.writelines(f"  {note}\n" for note in notes)
    sys.stdout.write(f"{NEXT}\n")
    return 0


def write(message: str, *, empty: bool = False, root: Path = ROOT) -> tuple[Path, list[str]]:
    """Write the next migration. Returns its file, and what it does in people's words.

    Raises:
        NothingToWrite: models and migrations agree, and it is not to be empty.
        ValueError: the message names nothing.
    """
    words = re.findall(r"[a-z0-9]+", message.lower())
    if not words:
        raise ValueError('Say what it does: make migration m="Users can ask for a newsletter"')
    config = Config(root / "alembic.ini")
    # The revision carries the name too: two branches that both write number 0012 must not take a
    # database of the other for their own.
    config.set_main_option("file_template", "%%(rev)s")
    script = ScriptDirectory.from_config(config)
    revision = _next_number(script)
    for word in words:
        if len(revision) + 1 + len(word) > LONGEST_REVISION:
            break
        revision = f"{revision}_{word}"
    notes: list[str] = []

    def complete(context: MigrationContext, _revision: object, directives: list[Any]) -> None:
        models = cast(MetaData, context.opts["target_metadata"])
        directive = cast(ops.MigrationScript, directives[0])
        upgrade = cast(ops.UpgradeOps, directive.upgrade_ops)
        notes.extend(complete_operations(upgrade, cast(Connection, context.connection), models))
        directive.downgrade_ops = upgrade.reverse()
        if upgrade.is_empty():
            raise NothingToWrite

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = f"sqlite+aiosqlite:///{folder}/migrations.db"
        command.upgrade(_quiet(config), "head")
        written = command.revision(
            config,
            message,
            autogenerate=not empty,
            rev_id=revision,
            process_revision_directives=None if empty else complete,
        )
    path = Path(cast(Any, written).path)
    path.write_text(re.sub(r" +# ### .* ###\n", "", path.read_text()))
    for tool in (("ruff", "check", "--fix-only"), ("black",)):  # it imports JSONB in any case
        subprocess.run([sys.executable, "-m", *tool, "--quiet", str(path)], cwd=root, check=True)
    return path, notes


def complete_operations(
    upgrade: ops.UpgradeOps, connection: Connection, models: MetaData
) -> list[str]:
    """Add what alembic leaves out: defaults for the rows that are there, and the words that columns
    take. Returns what the operations do."""
    notes = [note for each in _flat(upgrade) for note in _with_default(each)]
    new = {each.table_name for each in upgrade.ops if isinstance(each, ops.CreateTableOp)}
    for table in models.sorted_tables:
        if table.name not in new:
            notes += _with_words(upgrade, connection, table)
    return notes


def _flat(container: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    for each in container.ops:
        yield from _flat(each) if isinstance(each, ops.OpContainer) else (each,)


def _with_default(operation: ops.MigrateOperation) -> list[str]:
    """A column that takes no NULL needs a value in the rows that are there."""
    if isinstance(operation, ops.CreateTableOp):
        return [f"makes the table {operation.table_name}"]
    if isinstance(operation, ops.AddColumnOp):
        column, place = operation.column, f"{operation.table_name}.{operation.column.name}"
        if column.nullable or column.server_default is not None:
            return [f"adds {place}"]
        default = _default_of(column)
        if default is None:
            return [
                f"adds {place}, WHICH FAILS where rows are: it takes no NULL and has no default."
                " Give add_column(…) a server_default, or let the column be nullable."
            ]
        operation.column = column._copy()
        operation.column.server_default = DefaultClause(text(default))
        return [f"adds {place}; rows that are there get {default}"]
    if isinstance(operation, ops.DropColumnOp):
        return [f"drops {operation.table_name}.{operation.column_name} WITH ITS VALUES"]
    if isinstance(operation, ops.DropTableOp):
        return [f"drops the table {operation.table_name} WITH ITS ROWS"]
    return []


def _default_of(column: Column[Any]) -> str | None:
    """The model's default as SQL of both databases, if it is a plain value."""
    value = getattr(column.default, "arg", None)
    if isinstance(value, bool):
        return "false" if not value else "true"
    if isinstance(value, int | float):
        return f"{value}"
    if isinstance(value, str):
        return "'" + f"{getattr(value, 'value', value)}".replace("'", "''") + "'"
    return None


def _with_words(upgrade: ops.UpgradeOps, connection: Connection, table: Table) -> list[str]:
    """Renew the CHECK of each column whose words have changed."""
    present = {
        f"{each['name']}": set(re.findall(r"'([^']*)'", each["sqltext"]))
        for each in inspect(connection).get_check_constraints(table.name)
    }
    notes = []
    for constraint in table.constraints:
        kind = getattr(constraint, "_type_bound", False) and _enum_of(table, constraint)
        name = conv(f"{constraint.name}")  # no convention makes another name of it
        if not kind or name not in present or present[name] == set(kind.enums):
            continue
        listed = ", ".join(f"'{word}'" for word in kind.enums)
        new = f"{_column_of(table, kind)} IN ({listed})"
        before = ", ".join(f"'{word}'" for word in sorted(present[name]))
        old = f"{_column_of(table, kind)} IN ({before})"
        upgrade.ops.append(
            ops.ModifyTableOps(
                table.name,
                [
                    ops.DropConstraintOp(
                        name,
                        table.name,
                        "check",
                        _reverse=ops.CreateCheckConstraintOp(name, table.name, old),
                    ),
                    ops.CreateCheckConstraintOp(name, table.name, new),
                ],
            )
        )
        added = ", ".join(sorted(set(kind.enums) - present[name])) or "fewer words"
        notes.append(f"lets {table.name}.{_column_of(table, kind)} take {added}")
    return notes


def _enum_of(table: Table, constraint: Any) -> Enum | None:
    if not isinstance(constraint, CheckConstraint):
        return None
    for column in table.columns:
        name = f"ck_{table.name}_{getattr(column.type, 'name', None)}"
        if isinstance(column.type, Enum) and f"{constraint.name}" in (name, column.type.name):
            return column.type
    return None


def _column_of(table: Table, kind: Enum) -> str:
    return next(column.name for column in table.columns if column.type is kind)


def _next_number(script: ScriptDirectory) -> str:
    numbers = [int(each.revision[:4]) for each in script.walk_revisions()]
    return f"{max(numbers, default=0) + 1:04}"


def _quiet(config: Config) -> Config:
    return Config(config.config_file_name, stdout=io.StringIO())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
