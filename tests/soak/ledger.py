"""The requests made to the product while something was broken, and their outcome."""

import asyncio
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.stream.reader import Database, Reader
from tests.e2e.product import Person
from tests.follower import Follower

SILENCE_SECONDS = 12.0
LONGEST_DELAY_SECONDS = 2.0
END_SECONDS = 120.0
WATCHERS = 2


@dataclass
class Tally:
    """The first five numbers describe what happened; the others must be zero."""

    rounds: int = 0
    tasks: int = 0
    watchers: int = 0
    run_again: int = 0
    repeated: int = 0
    unfinished: int = 0
    doubled: int = 0
    ended_twice: int = 0
    lost: int = 0
    shown_twice: int = 0
    went_back: int = 0

    @property
    def wrong(self) -> dict[str, int]:
        counted = ("unfinished", "doubled", "ended_twice", "lost", "shown_twice", "went_back")
        return {name: getattr(self, name) for name in counted if getattr(self, name)}

    def __str__(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in vars(self).items())


@dataclass
class Entry:
    """A task that was accepted, and who followed it."""

    task_id: str
    followers: list[Follower]


@dataclass
class Ledger:
    """Submits and follows on behalf of one person, and counts what went wrong."""

    person: Person
    tally: Tally = field(default_factory=Tally)

    async def life(self, seconds: int, *, start_within: float) -> Entry:
        """Follow a task of `seconds` from its submission to its end; watchers join at random
        times."""
        await asyncio.sleep(random.uniform(0, start_within))
        task_id = await self._submit(str(seconds))
        followers = [self._follower(task_id) for _ in range(WATCHERS)]
        async with asyncio.timeout(END_SECONDS):
            await asyncio.gather(*(self._join(each, seconds) for each in followers))
        return Entry(task_id, followers)

    async def _submit(self, prompt: str) -> str:
        """Repeat the request until there is an answer; thanks to the key, only one task is
        created."""
        headers = {"Idempotency-Key": str(uuid4())}
        while True:
            try:
                answer = await asyncio.to_thread(
                    self.person.client.post,
                    "/tasks",
                    json={"prompt": prompt, "parameters": {"width": 64, "height": 64, "seed": 1}},
                    headers=headers,
                )
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == httpx.codes.ACCEPTED:
                return str(answer.json()["id"])
            assert answer.status_code == 429 or answer.status_code >= 500, answer.text
            await asyncio.sleep(0.2)

    def _follower(self, task_id: str) -> Follower:
        return Follower(
            lambda query: self.person.socket(task_id, query=query, open_timeout=15),
            silence_seconds=SILENCE_SECONDS,
            longest_delay_seconds=LONGEST_DELAY_SECONDS,
        )

    async def _join(self, follower: Follower, seconds: int) -> None:
        await asyncio.sleep(random.uniform(0, seconds))
        await follower.follow()

    async def close_round(self, entries: list[Entry], database: Database) -> None:
        """Compare what was shown with what was written."""
        self.tally.rounds += 1
        for entry in entries:
            events = await Reader(database).events_after(UUID(entry.task_id), 0, 10_000)
            ends = sum(event.terminal for event in events)
            self.tally.tasks += 1
            self.tally.run_again += max(event.payload["attempt"] for event in events) > 1
            self.tally.unfinished += ends == 0
            self.tally.ended_twice += ends > 1
            for follower in entry.followers:
                self._count(follower, [event.sequence for event in events])
        self.tally.doubled = await self._tasks_written(database) - self.tally.tasks

    def _count(self, follower: Follower, written: list[int]) -> None:
        shown = sequences(follower.states)
        self.tally.watchers += 1
        self.tally.lost += len(set(written[written.index(shown[0]) :]) - set(shown))
        self.tally.shown_twice += len(shown) - len(set(shown))
        for socket in follower.sockets:
            pairs = list(pairwise(socket))
            self.tally.repeated += sum(one == other for one, other in pairs)
            self.tally.went_back += sum(one > other for one, other in pairs)

    async def _tasks_written(self, database: Database) -> int:
        counted = await database.fetch(
            "SELECT count(*) FROM tasks WHERE user_id = $1", UUID(self.person.user_id)
        )
        return int(counted[0][0])


def sequences(states: list[dict[str, Any]]) -> list[int]:
    return [state["sequence"] for state in states]
