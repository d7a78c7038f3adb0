"""The stream's functions start for every socket, so its room loads no ORM and no web framework."""

import json
import subprocess
import sys

from tests.conftest import ROOT

FOREIGN = {
    *("sqlalchemy", "alembic", "fastapi", "starlette", "mangum"),
    *("passlib", "argon2", "numpy", "PIL"),
}
OWN = {
    f"shared.{room}"
    for room in (
        *("database", "models", "repositories", "schemas", "services", "web"),
        *("engine", "generators", "mail", "limits"),
    )
}

IMPORTING = """
import importlib, json, pkgutil, sys
import shared.stream
names = [each.name for each in pkgutil.walk_packages(shared.stream.__path__, "shared.stream.")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted(sys.modules)]))
"""


def test_no_module_of_the_stream_loads_an_orm():
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTING], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, loaded = json.loads(finished.stdout)

    assert "shared.stream.readers.postgresql" in names
    assert FOREIGN & {name.partition(".")[0] for name in loaded} == set()
    assert OWN & {".".join(name.split(".")[:2]) for name in loaded} == set()
