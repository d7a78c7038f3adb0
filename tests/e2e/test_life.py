"""Starting, stopping and starting again."""

import asyncio
import signal
import time

import httpx
import pytest

from tests.e2e.product import processes_of, running, sign_up, start


def wait_until_gone(product) -> list[str]:
    deadline = time.monotonic() + 5
    while (left := processes_of(product)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [process.command for process in left]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_process_and_no_lock(how, tmp_path):
    product = start(tmp_path / "data")
    assert len(processes_of(product)) > 4

    assert product.stop(how) == 0

    assert wait_until_gone(product) == []
    assert not list(product.data.glob("*lock*"))
    assert not list(product.data.rglob("*.pid"))


def test_a_killed_product_leaves_no_process_and_starts_again(tmp_path):
    product = start(tmp_path / "data")

    product.process.kill()
    product.process.wait()

    assert wait_until_gone(product) == []
    with running(product.data) as again:
        assert httpx.get(f"{again.origin}/api/health").status_code == 200


async def test_accounts_tasks_and_pictures_outlive_a_restart(tmp_path):
    with running(tmp_path / "data") as product, sign_up(product) as ada:
        task = await asyncio.to_thread(ada.submit, "a winter morning", width=96, height=64)
        await ada.watch(task["id"])
        picture = ada.picture(task["id"])
        product.stop()

        with running(tmp_path / "data", port=product.port):
            kept = ada.client.get("/tasks").json()["items"]

            assert [item["id"] for item in kept] == [task["id"]]
            assert ada.picture(task["id"]) == picture
            account = {"email": ada.email, "password": ada.password}
            assert ada.client.post("/auth/login", json=account).status_code == 200
