"""A function with SnapStart: its hooks run as Lambda runs them, in a process of their own."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

# Opens a connection at init, as a careless module would; then what Lambda does, and two
# environments of one snapshot.
PROGRAM = """
import asyncio, json, os, random, sys
from functions.auth import me
from shared import database, settings
from shared.clients import redis_client
from shared.process.event_loop import run
import snapshot_restore_py

told = {}
run(database.check())
before = database.engine()
for hook, arguments, named in snapshot_restore_py.get_before_snapshot():
    hook(*arguments, **named)
told["open"] = before.pool.checkedin()
told["loaded"] = "shared.process.error_tracking" in sys.modules
os.environ["PUBLIC_URL"] = "http://changed.example.com"
children = []
random.seed(7)
for _ in range(2):
    near, far = os.pipe()
    if os.fork() == 0:
        for hook, arguments, named in snapshot_restore_py.get_after_restore():
            hook(*arguments, **named)
        run(database.check())
        said = [random.random(), settings.app().public_url, database.engine() is before]
        os.write(far, json.dumps(said).encode())
        os._exit(0)
    os.wait()
    children.append(json.loads(os.read(near, 1000)))
told["children"] = children
print(json.dumps(told))
"""


@pytest.fixture
def told(application: pytest.MonkeyPatch, postgresql: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "DATABASE_URL": f"{postgresql}/postgres",
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return document


def test_environments_of_one_snapshot_share_no_connection_no_random_number_and_no_old_setting(told):
    assert told["open"] == 0
    assert told["loaded"]
    (one, address, kept), (other, _, _) = told["children"]
    assert one != other
    assert address == "http://changed.example.com"
    assert not kept


def test_without_snapshots_no_hook_is_registered(application):
    program = (
        "import functions.auth.me, sys;"
        "import snapshot_restore_py as s; print(s.get_before_snapshot(), s.get_after_restore())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "[] []\n"
