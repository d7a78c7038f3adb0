import json
import subprocess
from typing import Any

import httpx

from tests.conftest import ROOT
from tests.e2e.product import LAMPWORK, Person

LARGE = {"prompt": "a wide river", "parameters": {"width": 1200, "height": 64}}


def set_plan(person: Person, event: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    """Run the command that operations type; the event comes on standard input."""
    return subprocess.run(
        [LAMPWORK, "invoke", "OpsSetPlan", "-e", "-", "--data", str(person.product.data)],
        cwd=ROOT,
        input=json.dumps(event),
        capture_output=True,
        text=True,
    )


def test_a_plan_is_changed_from_the_command_line_and_applies_at_once(ada):
    refused = ada.client.post("/tasks", json=LARGE)
    changed = set_plan(ada, {"email": ada.email, "plan": "pro"})
    accepted = ada.client.post("/tasks", json=LARGE)

    assert (refused.status_code, refused.json()["code"]) == (403, "size_beyond_plan")
    assert changed.returncode == 0, changed.stderr
    assert json.loads(changed.stdout)["plan"] == "pro"
    assert accepted.status_code == httpx.codes.ACCEPTED
    assert ada.client.get("/auth/me").json()["subscription"]["usage"]["tasks"] == 1


def test_a_mistake_is_reported_on_the_command_line(ada):
    failed = set_plan(ada, {"email": "nobody@example.com", "plan": "pro"})

    assert failed.returncode == 1
    assert "There is no such user." in failed.stdout
