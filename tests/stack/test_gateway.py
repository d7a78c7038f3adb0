"""What nginx lets through to the product, which runs on PostgreSQL and RabbitMQ."""

import json
import secrets
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local.connectivity import examine
from local.demo import sign_up
from local.stack import Stack
from tests.conftest import ROOT

pytestmark = [pytest.mark.server, pytest.mark.stack]
HTTPIE = Path(sys.executable).parent / "http"


async def test_every_part_of_the_stack_answers(stack: Stack):
    results = await examine(stack)

    assert [result for result in results if not result.passed] == []


async def test_a_user_id_that_the_client_sets_is_ignored(stack: Stack):
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=30) as api:
        _, token = await sign_up(api)
        own = {"Authorization": f"Bearer {token}"}
        user_id = (await api.get("/auth/me", headers=own)).json()["user"]["id"]
        forged = {"X-User-Id": user_id}
        secret = {"X-Gateway-Auth": stack.settings["GATEWAY_SECRET"]}

        assert (await api.get("/tasks", headers=own)).status_code == 200
        assert (await api.get("/tasks", headers=forged)).status_code == 401
        assert (await api.get("/tasks", headers=forged | secret)).status_code == 401
        assert (await api.get("/auth/me", headers=forged | secret)).status_code == 401


async def test_the_gateways_user_id_is_trusted_only_with_its_secret(stack: Stack):
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=30) as api:
        _, token = await sign_up(api)
        me = await api.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    ask = (
        "import sys, urllib.request as r, urllib.error as e\n"
        "headers = dict(zip(('X-User-Id', 'X-Gateway-Auth'), sys.argv[1:]))\n"
        "request = r.Request('http://backend:8000/api/v1/tasks', headers=headers)\n"
        "try: print(r.urlopen(request).status)\n"
        "except e.HTTPError as error: print(error.code)"
    )
    user_id, secret = me.json()["user"]["id"], stack.settings["GATEWAY_SECRET"]

    assert stack.run("frontend", "python", "-c", ask, user_id, secret) == "200"
    assert stack.run("frontend", "python", "-c", ask, user_id, "guessed") == "401"
    assert stack.run("frontend", "python", "-c", ask, user_id) == "401"


@pytest.mark.parametrize(
    "path",
    [
        "/_lampwork/metrics",
        "/2015-03-31/functions/Dashboard/invocations",
        "/live/@connections/abc",
    ],
)
def test_the_emulators_own_paths_cannot_be_reached_from_outside(stack: Stack, path):
    assert httpx.get(f"{stack.origin}{path}").status_code == 404


def test_a_page_under_another_host_name_gets_nothing(stack: Stack):
    answer = httpx.get(f"{stack.origin}/api/health", headers={"Host": "rebound.example"})

    assert answer.status_code == 421


def test_the_commands_in_the_readme_work_as_written(stack: Stack, tmp_path):
    port = f":{httpx.URL(stack.origin).port}"

    def http(*arguments: str) -> dict[str, object]:
        finished = subprocess.run(
            [str(HTTPIE), "--ignore-stdin", "--check-status", *arguments],
            cwd=ROOT,
            env={"HTTPIE_CONFIG_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        body: dict[str, object] = json.loads(finished.stdout or "{}")
        return body

    who = [f"email=demo-{secrets.token_hex(4)}@example.com", "password=StrongPass123!"]
    registered = http("POST", f"{port}/api/v1/auth/register", *who)
    verification = registered["verification"]
    assert isinstance(verification, dict)
    http("POST", f"{port}/api/v1/auth/verify", f"token=={verification['token']}")
    http("--session=auth", "POST", f"{port}/api/v1/auth/login", *who)
    http("--session=auth", "POST", f"{port}/api/v1/auth/refresh")
    me = http("--session=auth", "GET", f"{port}/api/v1/auth/me")
    http("--session=auth", "POST", f"{port}/api/v1/auth/logout")

    assert isinstance(me["user"], dict)
    assert f"email={me['user']['email']}" == who[0]
