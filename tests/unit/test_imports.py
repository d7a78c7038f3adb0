"""A function loads only the packages that it needs: those each may load are listed here."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.unit.test_template import function_modules

HASHING = frozenset({"passlib", "argon2"})
HTTP = frozenset({"fastapi", "starlette", "mangum"})
ORM = frozenset({"sqlalchemy"})
BOTO = frozenset({"boto3"})
PICTURES = frozenset({"numpy", "PIL"})
NEVER = frozenset({"moto", "alembic", "lampwork", "local", "tests", "pytest"})
NONE: frozenset[str] = frozenset()
ALL = HASHING | HTTP | ORM | PICTURES | BOTO | NEVER

# Imports each given module, and prints which top-level packages have been loaded by then. None may
# read the list of common passwords, which only a request that sets a password needs.
IMPORTING = """
import importlib, json, sys
def refuse_the_list(event, arguments):
    assert event != "open" or not str(arguments[0]).endswith("common_passwords.txt")
sys.addaudithook(refuse_the_list)
loaded = {}
for module in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(module)
    loaded[module] = sorted({name.partition(".")[0] for name in sys.modules.keys() - before})
print(json.dumps(loaded))
"""

HASHES_PASSWORDS = {
    "functions.auth.change_password",
    "functions.auth.login",
    "functions.auth.reauthenticate",
    "functions.auth.register",
    "functions.auth.reset_password",
}

# What they answer is with them.
ASK_NO_DATABASE = {"functions.auth.jwks", "functions.docs.openapi"}

SENDS_NO_ANSWERS = {"functions.tasks.generate", "functions.tasks.sweep", "functions.webhooks.send"}


# It is loaded where objects are read or written, and for SQS where the settings ask for it.
STORES_OBJECTS = {
    "functions.dashboard.pages",
    "functions.health.health",
    "functions.ops.purge",
    "functions.tasks.generate",
    "functions.tasks.result",
    "functions.tasks.thumbnail",
}


def allowed(module: str) -> frozenset[str]:
    """Which of the watched packages a function may load when it is imported."""
    area = module.split(".")[1]
    if area in ("ws_connect", "ws_broadcast"):
        return NONE
    stores = BOTO if module in STORES_OBJECTS else NONE
    if module == "functions.ops.migrate":
        return ORM | {"alembic"}
    if module in ASK_NO_DATABASE:
        return HTTP
    if area == "ops" or module in SENDS_NO_ANSWERS:
        return ORM | stores
    return HTTP | ORM | stores | (HASHING if module in HASHES_PASSWORDS else NONE)


def modules_by_what_they_may_load() -> dict[frozenset[str], list[str]]:
    """Groups the functions that may load the same packages: one process imports a group, to save
    time."""
    groups: dict[frozenset[str], list[str]] = {}
    for module in sorted(function_modules()):
        groups.setdefault(allowed(module), []).append(module)
    return groups


@pytest.mark.parametrize(("packages", "modules"), modules_by_what_they_may_load().items())
def test_a_function_loads_only_what_it_needs(packages, modules):
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTING, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded: dict[str, list[str]] = json.loads(finished.stdout)

    excess = {
        module: sorted(ALL.intersection(names) - packages) for module, names in loaded.items()
    }
    assert list(loaded) == modules
    assert {module: names for module, names in excess.items() if names} == {}
