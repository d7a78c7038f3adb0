import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.product import Product
from tests.waiting import until

HTTP = str(Path(sys.executable).parent / "http")


def http(product: Product, line: str, home: Path) -> tuple[int, Any]:
    """Run a line of HTTPie as it stands in the documentation, on this product's port."""
    arguments = shlex.split(line.replace(":8000", f":{product.port}"))[1:]
    finished = subprocess.run(
        [HTTP, "--ignore-stdin", "--print=hb", *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    head, _, body = finished.stdout.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), json.loads(body) if body.strip() else {}


def test_the_documented_httpie_commands_work_as_written(product, tmp_path):
    email = f"demo-{product.port}@example.com"  # two servers may share one database
    account = f"email={email} password='StrongPass123!'"
    status, registered = http(product, f"http POST :8000/api/v1/auth/register {account}", tmp_path)
    assert status == 201
    token = registered["verification"]["token"]

    status, verified = http(product, f"http POST :8000/api/v1/auth/verify token=={token}", tmp_path)
    assert (status, verified["status"]) == (200, "active")

    session = "http --session=auth"
    status, signed_in = http(product, f"{session} POST :8000/api/v1/auth/login {account}", tmp_path)
    assert (status, signed_in["token_type"]) == (200, "Bearer")

    status, refreshed = http(product, f"{session} POST :8000/api/v1/auth/refresh", tmp_path)
    assert status == 200
    assert refreshed["refresh_token"] != signed_in["refresh_token"]

    status, me = http(product, f"{session} GET :8000/api/v1/auth/me", tmp_path)
    assert (status, me["user"]["email"]) == (200, email)

    status, _ = http(product, f"{session} POST :8000/api/v1/auth/logout", tmp_path)
    assert status == 204
    after = httpx.get(
        f"{product.origin}/api/v1/auth/me",
        headers={"Authorization": f"Bearer {refreshed['access_token']}"},
    )
    assert after.status_code == 401


def test_every_dependency_is_healthy(product):
    answer = httpx.get(f"{product.origin}/api/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert set(answer.json()["dependencies"]) == {"database", "redis", "queue", "storage"}


def test_health_knows_that_a_worker_is_there(product):
    def tasks():
        return httpx.get(f"{product.origin}/api/health").json()["tasks"]

    until(lambda: tasks()["workers"] == "alive")
    assert tasks()["oldest_waiting_seconds"] >= 0


def test_the_schema_and_its_page_need_no_other_host(product):
    schema = httpx.get(f"{product.origin}/api/openapi.json").raise_for_status().json()
    page = httpx.get(f"{product.origin}/api/docs").raise_for_status().text

    assert "/api/v1/tasks" in schema["paths"]
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert httpx.get(f"{product.origin}/api/docs/{asset}").status_code == 200


def test_an_unknown_route_has_the_gateways_own_answer(product):
    answer = httpx.get(f"{product.origin}/api/v1/nothing")

    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_the_demo_saves_its_picture(product, tmp_path):
    picture = tmp_path / "picture.png"

    finished = subprocess.run(
        [sys.executable, "-m", "local.demo", "--url", product.origin, "--out", str(picture)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.name in finished.stdout.replace("\n", "")


def test_the_smoke_test_passes(product):
    finished = subprocess.run(
        [sys.executable, "-m", "local.smoke", product.origin], capture_output=True, text=True
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert [line.split()[0] for line in finished.stdout.splitlines()] == ["ok"] * 8


def test_the_smoke_test_fails_where_something_is_wrong(product):
    account = {"SMOKE_EMAIL": "nobody@example.com", "SMOKE_PASSWORD": "not their password"}
    finished = subprocess.run(
        [sys.executable, "-m", "local.smoke", product.origin],
        env={**os.environ, **account},
        capture_output=True,
        text=True,
    )

    assert finished.returncode == 1
    assert finished.stdout.splitlines()[-1].startswith("FAILED  sign-in: POST /auth/login: 401")
