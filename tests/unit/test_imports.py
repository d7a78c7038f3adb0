"""Lean by construction: a function pays for what it names, so what each loads is bounded."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.unit.test_template import function_modules

HASHING = {"passlib", "argon2"}
HTTP = {"fastapi", "starlette", "mangum"}
ORM = {"sqlalchemy"}
PICTURES = {"numpy", "PIL"}
NEVER = {"moto", "alembic", "lampwork", "local", "tests", "pytest"}
ALL = HASHING | HTTP | ORM | PICTURES | NEVER

HASHES_PASSWORDS = {
    "functions.auth.change_password",
    "functions.auth.login",
    "functions.auth.reauthenticate",
    "functions.auth.register",
    "functions.auth.reset_password",
}


def allowed(module: str) -> set[str]:
    """Which of the watched packages a function may load when it is imported."""
    area = module.split(".")[1]
    if area in ("ws_connect", "ws_broadcast"):
        return set()
    if area == "ops" or module in ("functions.tasks.generate", "functions.tasks.sweep"):
        return ORM
    return HTTP | ORM | (HASHING if module in HASHES_PASSWORDS else set())


@pytest.mark.parametrize("module", sorted(function_modules()))
def test_a_function_loads_only_what_it_needs(module):
    script = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(finished.stdout)}

    assert loaded & ALL <= allowed(module)
