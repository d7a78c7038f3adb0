"""Saves the running stack's data in a folder, and puts it back: `make backup`, `make restore`.

The database is saved before the objects: a task is `completed` only after its picture is stored, so
every picture that the saved database names is in the archive that is made later. Nothing stops
meanwhile. What Redis and RabbitMQ hold is not saved, since it can be lost (docs/architecture.md).
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from local import stack
from local.stack import ROOT, Stack, StackError

DATABASE, ARCHIVE = "database.dump", "objects.tar"
# Who reads or writes the database; nginx says meanwhile that they are away.
USERS = ("backend", "frontend", "worker", "deliverer", "postgres-exporter")
USERS_OF_SERVER = (*USERS, "schedule")
DUMP = 'pg_dump --format=custom --username="$POSTGRES_USER" "$POSTGRES_DB"'
# All or nothing: where the dump cannot be read, the last statement fails and takes all back.
LOAD = (
    '{ echo "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"; '
    'pg_restore --file=- --no-owner || echo "SELECT 1/0;"; } '
    "| psql --quiet --single-transaction --set=ON_ERROR_STOP=1 --output=/dev/null "
    '--username="$POSTGRES_USER" "$POSTGRES_DB"'
)


def backup(saved: Stack, folder: Path) -> None:
    """
    Raises:
        StackError: something could not be saved; the text says what.
        FileExistsError: there is such a folder.
    """
    folder.mkdir(parents=True, mode=0o700)
    with _created(folder / DATABASE) as file:
        saved.stream("exec", "-T", "postgres", "sh", "-c", DUMP, stdout=file)
    with _created(folder / ARCHIVE) as file:
        saved.stream(
            *("exec", "-T", "backend", "python", "-m", "local.archive", "save"), stdout=file
        )


def restore(into: Stack, folder: Path) -> None:
    """Replace the stack's database, put the objects and keys back, and bring the schema up to this
    version's.

    Raises:
        StackError: something could not be put back; the text says what. The stack is started again
            in any case.
        FileNotFoundError: this is no folder of a backup.
    """
    with (folder / DATABASE).open("rb") as database, (folder / ARCHIVE).open("rb") as archive:
        users = USERS_OF_SERVER if "compose.server.yml" in into.files else USERS
        into.compose("stop", *users)
        try:
            into.stream("exec", "-T", "postgres", "sh", "-c", LOAD, stdin=database)
            once = ("run", "--rm", "-T", "--no-deps", "migrate", "python", "-m")
            into.stream(*once, "local.archive", "load", stdin=archive)
            into.stream(*once, "local.prepare_stack")
        finally:
            into.compose("start", *users)


def _created(path: Path) -> IO[bytes]:
    """A new file that nobody else may read: it holds keys and password hashes."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["backup", "restore"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--env-file", type=Path, default=stack.ENV_FILE)
    options = parser.parse_args()
    running = Stack(options.env_file)
    try:
        if options.what == "backup":
            folder = options.folder or ROOT / "backups" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
            backup(running, folder)
            sys.stdout.write(f"Saved in {folder}\n")
        elif options.folder is None:
            sys.stderr.write("Say which: make restore FROM=backups/...\n")
            return 2
        else:
            restore(running, options.folder)
            sys.stdout.write(f"Restored from {options.folder}\n")
    except (StackError, OSError) as error:
        sys.stderr.write(f"{options.what}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
