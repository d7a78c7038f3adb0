"""The transactions of tasks and nothing else: `python -m bench.transactions`, one id a line."""

import sys
from uuid import UUID

from shared import transitions
from shared.database import transaction
from shared.loop import run
from shared.transitions import Lease

PICTURE = {"key": "k", "content_type": "image/png", "width": 64, "height": 64, "bytes": 1}


async def live(task_id: UUID) -> None:
    """What a worker writes for one task, and what whoever publishes notes of it."""
    async with transaction() as session:
        task = await transitions.claim(session, task_id, worker_id="bench")
    assert task is not None
    assert task.lease_token is not None
    await _note_published(task_id, 2)
    async with transaction() as session:
        await transitions.complete(session, Lease(task_id, task.lease_token), PICTURE)
    await _note_published(task_id, 3)


async def _note_published(task_id: UUID, sequence: int) -> None:
    async with transaction() as session:
        await transitions.mark_published(session, task_id, sequence)


if __name__ == "__main__":
    for line in sys.stdin:
        run(live(UUID(line.strip())))
        print("done", flush=True)
