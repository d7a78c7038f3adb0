"""What holds while migrations run: no row goes with a table that is copied, nobody else migrates
meanwhile, and the database is left as it was unless all of them succeed."""

from collections import Counter

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

# How long a migration waits for another one, or for whoever writes. It holds up everybody who comes
# behind it meanwhile.
WAIT_SECONDS = 60
LOCK = 0x6C616D70776F726B  # any number that nothing else locks: "lampwork"
UNKNOWN = (
    "The database is at revision {}, which migrations/versions does not have: another branch or a"
    " newer version has migrated it. To go back, check that one out and run"
    " `make downgrade to={}`. Or delete the data of `make dev` with `make clean`."
)
BRANCHED = (
    "{} follow the same revision. Give the later one the next number (its file, `revision`) and let"
    " its `down_revision` name the other."
)


def prepare(connection: Connection) -> None:
    """Set what cannot be set inside a transaction. SQLite alters most tables by copying them: it
    deletes the old one, and with foreign keys on every row that refers to it.

    https://www.sqlite.org/lang_altertable.html#otheralter
    """
    if connection.dialect.name == "sqlite":
        # Not by `connection.execute`, which would begin a transaction.
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")
        cursor.close()


def lock(connection: Connection) -> None:
    """Wait until nobody else migrates, until the transaction ends. SQLite's transactions take the
    only lock there is as they begin.

    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def refuse_other_branches(script: ScriptDirectory, applied: tuple[str, ...]) -> None:
    """
    Raises:
        CommandError: the database has a revision that is not here, or two revisions are the last.
    """
    heads = script.get_heads()
    if len(heads) > 1:
        raise CommandError(BRANCHED.format(" and ".join(sorted(heads))))
    known = {each.revision for each in script.walk_revisions()}
    if unknown := set(applied) - known:
        raise CommandError(UNKNOWN.format(", ".join(sorted(unknown)), heads[0]))


def dangling(connection: Connection) -> Counter[tuple[str, str]]:
    """How many rows of which table refer to no row of which other one. PostgreSQL refuses each
    statement that would leave such a row.

    https://www.sqlite.org/pragma.html#pragma_foreign_key_check
    """
    if connection.dialect.name != "sqlite":
        return Counter()
    found = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return Counter((table, parent) for table, _, parent, _ in found)


def refuse_dangling(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]) -> None:
    """
    Raises:
        CommandError: the migrations have left rows that refer to nothing.
    """
    if new := after - before:
        rows = "; ".join(
            f"{number} of {table} to {parent}" for (table, parent), number in new.items()
        )
        raise CommandError(
            f"Rows would refer to rows that are gone ({rows}). The database is as it was; let the"
            " migration delete or change these rows too."
        )
