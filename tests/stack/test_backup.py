"""What was saved comes back, in the stack it was saved from; see docs/compose.md."""

import stat
from pathlib import Path

import httpx
import pytest

from local.demo import sign_up
from local.stack import Stack, StackError
from local.stack_backup import backup, restore
from tests.stack.test_failures import HEALED_SECONDS, ORDER, is_completed, is_whole, until

pytestmark = pytest.mark.stack


async def test_a_deleted_picture_is_restored_for_the_owner_and_a_broken_backup_changes_nothing(
    stack: Stack, tmp_path: Path
):
    folder = tmp_path / "saved"
    async with (
        httpx.AsyncClient(base_url=stack.origin, timeout=60) as client,
        httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=60) as api,
    ):
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        task = str((await api.post("/tasks", json=ORDER)).json()["id"])
        await until(HEALED_SECONDS, lambda: is_completed(api, task))
        picture = await fetch(api, task)

        backup(stack, folder)
        (await api.delete(f"/tasks/{task}")).raise_for_status()
        assert (await api.get(f"/tasks/{task}/result")).status_code == 404
        restore(stack, folder)
        await until(HEALED_SECONDS, lambda: is_whole(client))

        assert await fetch(api, task) == picture
        dump = folder / "database.dump"
        dump.write_bytes(dump.read_bytes()[:2000])
        with pytest.raises(StackError):
            restore(stack, folder)
        await until(HEALED_SECONDS, lambda: is_whole(client))
        assert await fetch(api, task) == picture
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def fetch(api: httpx.AsyncClient, task: str) -> bytes:
    result = await api.get(f"/tasks/{task}/result")
    async with httpx.AsyncClient() as storage:
        answer = await storage.get(result.headers["Location"])
    return answer.raise_for_status().content
