"""Statements that a module builds when it is imported, with no other module imported before it.

A column that refers to another table takes its type from there, so that a parameter beside it has
none until that table is known: its value would go to the driver as it is, and SQLite refuses UUIDs.
"""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

ROOMS = ("engine", "repositories")

# Each module is imported in a process of its own that has loaded SQLAlchemy alone.
LOOKING = """
import importlib, os, sys
import sqlalchemy.ext.asyncio, sqlalchemy.orm
from sqlalchemy import Delete, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import NullType
for module in sys.argv[1:]:
    if (child := os.fork()) == 0:
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, Select | Update | Delete):
                binds = value.compile(dialect=sqlite.dialect()).binds.values()
                for bind in binds:
                    if isinstance(bind.type, NullType):
                        print(module, name, bind.key, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, module
"""


def test_every_parameter_of_a_statement_built_at_import_has_a_type():
    modules = [
        f"shared.{room}.{path.stem}"
        for room in ROOMS
        for path in sorted(Path(ROOT, "shared", room).glob("*.py"))
        if "bindparam(" in path.read_text()
    ]
    command = [sys.executable, "-c", LOOKING, *modules]

    looked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (looked.stdout, looked.returncode) == ("", 0), looked.stderr
