"""The purge erases an account piece by piece, whatever its size; a killed one is continued."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update

from shared import clock
from shared.clients import objects
from shared.database import transaction
from shared.models.session import UserSession
from shared.models.task import Task, TaskEvent
from shared.models.user import User
from shared.process.event_loop import run
from shared.repositories import purging as repository
from shared.services.purging import purge
from tests.rows import rows_of_a_user
from tests.services import objects_stored
from tests.tasks import make_task, make_user

pytestmark = pytest.mark.usefixtures("backend")

TASKS = 8


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "BATCH", 3)


async def closed_account(*, days_ago: float = 31, tasks: int = 0) -> UUID:
    """An account that was deleted so long ago, with this many tasks and sign-ins."""
    user_id = await make_user()
    for _ in range(tasks):
        await make_task(user_id)
    session_row = rows_of_a_user()["user_sessions"] | {"user_id": user_id}
    gone = clock.now() - timedelta(days=days_ago)
    async with transaction() as session:
        for _ in range(tasks):
            await session.execute(insert(UserSession).values(session_row | {"id": uuid4()}))
        await session.execute(update(User).where(User.id == user_id).values(deleted_at=gone))
    return user_id


async def store_pictures() -> None:
    async with transaction(writing=False) as session:
        task_ids = (await session.scalars(select(Task.id))).all()
    for task_id in task_ids:
        await objects.put(f"{objects.folder(task_id)}1.png", b"x", content_type="image/png")


async def count(model: type[User | Task | TaskEvent | UserSession]) -> int:
    async with transaction(writing=False) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


def test_a_purge_that_is_killed_between_two_batches_is_finished_by_the_next(
    backend: pytest.MonkeyPatch,
):
    backend.setenv("DATABASE_POOL_SIZE", "2")

    async def scenario() -> tuple[int, int, list[int]]:
        await closed_account(tasks=TASKS)
        await store_pictures()
        killed = asyncio.create_task(purge())
        while await count(Task) == TASKS:
            await asyncio.sleep(0)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        left, erased = await count(Task), await purge()
        return left, erased, [await count(each) for each in (User, Task, TaskEvent, UserSession)]

    left, erased, rows = run(scenario())

    assert 0 < left < TASKS
    assert erased == 1
    assert rows == [0, 0, 0, 0]
    assert objects_stored() == []


def test_accounts_whose_pictures_stay_do_not_hold_up_the_others(backend: pytest.MonkeyPatch):
    async def scenario() -> tuple[int, int]:
        for _ in range(4):  # more than a batch of accounts, and the first that are due
            await closed_account(days_ago=50, tasks=1)
        await closed_account(days_ago=31)
        return await purge(), await count(User)

    backend.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert run(scenario()) == (1, 4)
