"""Starting, stopping and starting again."""

import asyncio
import signal
import time
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

from tests.e2e.product import Person, Product, processes_of, running, sign_up


def wait_until_gone(product: Product) -> list[str]:
    deadline = time.monotonic() + 5
    while (left := processes_of(product)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [process.command for process in left]


def assert_leaves_nothing_behind(product: Product, how: signal.Signals) -> None:
    assert len(processes_of(product)) > 1  # both workers

    code = product.stop(how)

    assert wait_until_gone(product) == []
    if how is not SIGKILL:
        assert code == 0
        assert not list(product.data.glob("*lock*"))
        assert not list(product.data.rglob("*.pid"))


async def test_no_process_remains_and_all_data_is_kept_however_the_product_ends(tmp_path: Path):
    def everything(person: Person) -> tuple[list[str], bytes, int]:
        listed = [item["id"] for item in person.client.get("/tasks").json()["items"]]
        account = {"email": person.email, "password": person.password}
        signed_in = person.client.post("/auth/login", json=account)
        return listed, person.picture(task["id"]), signed_in.status_code

    with running(tmp_path / "data") as product, sign_up(product) as ada:
        task = await asyncio.to_thread(ada.submit, "a winter morning", width=96, height=64)
        await ada.watch(task["id"])
        made = everything(ada)
        assert_leaves_nothing_behind(product, SIGINT)

        for how in (SIGKILL, SIGTERM):
            with running(product.data, port=product.port) as again:
                assert everything(ada) == made
                assert_leaves_nothing_behind(again, how)
