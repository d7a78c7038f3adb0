"""An account with a week of pictures, in every state that a task may have.

The pictures are painted by the running product; then their times are moved back, and tasks are
added that have come to nothing or have not ended.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from rich.progress import track

import shared.models.user  # noqa: F401 - a task refers to its owner's table
from local.contact_sheet import PROMPTS
from local.demo import ROOT, checked, console, new_account, product, sign_up
from shared import clock
from shared.database import engine, transaction
from shared.engine.task_payload import task_payload
from shared.models.task import Task, TaskEvent
from shared.models.task_status import TaskStatus

A_DAY = 2  # pictures
SIZES = ((768, 512), (512, 768), (640, 640))
DAY = timedelta(days=1)
POLL_SECONDS = 0.3
NO_PICTURE = {"code": "generator_error", "message": "The generator failed.", "retryable": False}
TRIED_AGAIN = {**NO_PICTURE, "code": "timeout", "message": "It took too long.", "retryable": True}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://localhost:8000", help="where the product is")
    arguments.add_argument("--data", type=Path, default=ROOT / ".lampwork", help="its data folder")
    arguments.add_argument("--days", type=int, default=7)
    options = arguments.parse_args()
    database = options.data.resolve() / "lampwork.db"
    os.environ["DATABASE_URL"] = f"sqlite+aiosqlite:///{database}"
    try:
        with product(options.url):
            account = asyncio.run(seed(options.url, options.days))
    except (httpx.HTTPError, OSError, TimeoutError) as error:
        console.print(f"[red]The account could not be filled:[/] {error}")
        return 1
    console.print(f"Sign in at {options.url} as {account['email']}", soft_wrap=True)
    console.print(f"with the password {account['password']}", soft_wrap=True)
    return 0


async def seed(url: str, days: int) -> dict[str, str]:
    """The account, as one signs in to it."""
    account = new_account()
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as client:
        _, token = await sign_up(client, account)
        client.headers["Authorization"] = f"Bearer {token}"
        painted = []
        for number in track(range(days * A_DAY), "Painting", console=console):
            painted.append(await paint(client, number))
        owner_id = UUID(checked(await client.get("/auth/me"))["user"]["id"])
    now = clock.now()
    try:
        async with transaction() as session:
            for back, task_id in enumerate(reversed(painted)):
                task = await session.get_one(Task, task_id)
                then = now - back * DAY / A_DAY
                task.created_at = task.updated_at = task.finished_at = then
                task.sequence += 1  # whatever changes a task's body is a transition
                session.add(told(task))
            for task in without_picture(owner_id, now):
                session.add(task)
                await session.flush()
                session.add(told(task))
    finally:
        await engine().dispose()
    return account


async def paint(client: httpx.AsyncClient, number: int) -> UUID:
    """The task of a new picture, once it is there."""
    prompt, style = PROMPTS[number % len(PROMPTS)]
    width, height = SIZES[number % len(SIZES)]
    parameters = {"width": width, "height": height, "style": style, "seed": number}
    task = checked(await client.post("/tasks", json={"prompt": prompt, "parameters": parameters}))
    while not task["terminal"]:
        await asyncio.sleep(POLL_SECONDS)
        task = checked(await client.get(f"/tasks/{task['id']}"))
    return UUID(task["id"])


def without_picture(owner_id: UUID, now: datetime) -> Iterator[Task]:
    """One task of each other state. Those that have not ended stay so for a while."""

    def made(prompt: str, status: TaskStatus, age: timedelta, **columns: Any) -> Task:
        then = now - age
        return Task(
            id=uuid4(),
            user_id=owner_id,
            prompt=prompt,
            parameters={"width": 512, "height": 512, "style": "painting", "seed": 7},
            status=status,
            created_at=then,
            updated_at=then,
            finished_at=then if status.terminal else None,
            queued_deadline=now + DAY,
            run_timeout_seconds=600,
            runs_at_once=2,
            **columns,
        )

    yield made("a door that nobody opens", TaskStatus.FAILED, DAY, attempt=3, error=NO_PICTURE)
    yield made("never mind", TaskStatus.CANCELLED, 2 * DAY, cancel_requested_at=now - 2 * DAY)
    yield made("a train that came too late", TaskStatus.EXPIRED, 3 * DAY)
    yield made(
        *("a second attempt, later today", TaskStatus.QUEUED, timedelta(minutes=5)),
        attempt=1,
        error=TRIED_AGAIN,
        next_attempt_at=now + DAY / 4,
    )
    yield made(
        *("a very slow sunrise", TaskStatus.PROCESSING, timedelta(minutes=1)),
        attempt=1,
        progress=0.4,
        worker_id="seed",
        lease_token=uuid4(),
        lease_expires_at=now + DAY / 24,
    )


def told(task: Task) -> TaskEvent:
    """The newest event of a task, which its watchers have been told."""
    task.published_sequence = task.sequence
    return TaskEvent(task_id=task.id, sequence=task.sequence, payload=task_payload(task))


if __name__ == "__main__":
    sys.exit(main())
