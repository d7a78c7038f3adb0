"""Rooms that must stay light, and the packages that their modules must never load."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Imports the given modules and prints the names of all modules that are loaded by then.
IMPORTING = """
import importlib, json, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
print(json.dumps(sorted(sys.modules)))
"""

FOLDERS = {"lampwork.events": ROOT / "local", "shared.stream": ROOT}

NEVER = {
    # Documents are made and read without input or output, so that any program may use them.
    "lampwork.events": {
        *("asyncio", "multiprocessing", "selectors", "socket", "ssl", "subprocess"),
        *("boto3", "botocore", "httptools", "moto", "uvloop", "watchfiles", "websockets"),
        *("lampwork.app", "lampwork.cloud", "lampwork.commands", "lampwork.companions"),
        *("lampwork.front", "lampwork.runtime", "lampwork.template", "lampwork.triggers"),
    },
    # Functions of sockets start without an ORM or a web framework.
    "shared.stream": {
        *("alembic", "argon2", "fastapi", "mangum", "numpy", "passlib", "PIL"),
        *("sqlalchemy", "starlette"),
        *("shared.database", "shared.engine", "shared.generators", "shared.limits", "shared.mail"),
        *("shared.repositories", "shared.schemas", "shared.services", "shared.web"),
        *("shared.models.base", "shared.models.task", "shared.models.user"),
    },
}


def modules(room: str) -> list[str]:
    files = FOLDERS[room].joinpath(*room.split(".")).rglob("*.py")
    return [".".join(file.relative_to(FOLDERS[room]).with_suffix("").parts) for file in files]


def loaded(names: list[str]) -> set[str]:
    argv = [sys.executable, "-c", IMPORTING, *names]
    finished = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout))


@pytest.mark.parametrize("room", NEVER)
def test_a_room_loads_no_package_that_is_too_heavy_for_it(room: str) -> None:
    assert loaded(modules(room)) & NEVER[room] == set()
