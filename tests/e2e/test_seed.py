"""`make seed`: an account with something to look at."""

import subprocess
import sys

import httpx

from tests.conftest import ROOT
from tests.e2e.product import Product


def test_a_seeded_account_has_pictures_of_some_days_and_tasks_in_every_state(
    product: Product,
) -> None:
    command = [sys.executable, "-m", "local.seed", "--url", product.origin]
    options = ["--data", f"{product.data}", "--days", "1"]
    ended = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    *_, account, password = ended.stdout.strip().splitlines()
    email, password = account.split()[-1], password.split()[-1]

    with httpx.Client(base_url=f"{product.origin}/api/v1", timeout=30) as client:
        signed_in = client.post("/auth/login", json={"email": email, "password": password})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        client.cookies.clear()
        tasks = client.get("/tasks").raise_for_status().json()["items"]

        assert {task["status"] for task in tasks} == {
            *("queued", "processing", "completed", "failed", "cancelled", "expired")
        }
        painted = [task for task in tasks if task["status"] == "completed"]
        assert len({task["created_at"][:13] for task in painted}) == len(painted) == 2
        for task in painted:
            assert client.get(task["result"]["url"].removeprefix("/api/v1")).status_code == 307
        # What is read alone is what was listed.
        assert client.get(f"/tasks/{painted[0]['id']}").json() == painted[0]
