"""Makes tasks; and runs their transactions and nothing else, one task for each line of standard
input."""

import asyncio
import sys
from uuid import UUID, uuid4

import uvloop

from shared.database import transaction
from shared.engine import claiming, transitions
from shared.engine.transitions import Lease
from shared.models.base import database_now
from shared.models.stored_picture import StoredPicture
from shared.models.task import Task
from shared.process.event_loop import run

PICTURE = StoredPicture("k", "image/png", width=64, height=64, bytes=1)


async def make_task(owner: UUID, *, runs_at_once: int) -> UUID:
    """A task as a POST leaves it, except that no doorbell has rung for it."""
    task = Task(
        id=uuid4(),
        user_id=owner,
        prompt="nothing",
        parameters={"width": 64, "height": 64, "style": "painting", "seed": 1},
        run_timeout_seconds=120,
        runs_at_once=runs_at_once,
        queued_deadline=database_now(3600),
    )
    async with transaction() as session:  # a single one, so that no sweep rings for it in between
        await transitions.create(session, task)
        await transitions.mark_dispatched(session, task.id, 1)
    return task.id


async def run_task() -> None:
    """Write what a worker writes for one task, and what the publisher records about it."""
    task = await claiming.begin_next(worker_id="bench")
    assert task is not None
    assert task.lease_token is not None
    await _note_published(task.id, 2)
    async with transaction() as session:
        await transitions.complete(session, Lease(task.id, task.lease_token), PICTURE)
        await claiming.next_without_doorbell(session, task.user_id)
    await _note_published(task.id, 3)


async def _note_published(task_id: UUID, sequence: int) -> None:
    async with transaction() as session:
        await transitions.mark_published(session, {task_id: sequence})


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # as a worker does
    for _ in sys.stdin:
        run(run_task())
        print("done", flush=True)
