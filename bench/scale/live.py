"""Sign-ins and submissions of the whole product on a full SQLite file, beside one on an empty
file: requests to both take turns, so that a busy machine slows both."""

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx

from tests.e2e.product import Person, running, sign_up

MOST_RATIO = 2.0
AT_ONCE = 15  # of the 20 that the plan allows


@dataclass
class Answers:
    """Milliseconds and statuses of one route of one product."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def p50(self) -> float:
        return median(self.milliseconds)


Lived = dict[str, dict[str, Answers]]


def finish_all(file: Path) -> None:
    """Nothing waits or runs: painting it would keep the workers busy in one product only."""
    with sqlite3.connect(file) as database:
        database.execute(
            "UPDATE tasks SET status = 'expired', finished_at = updated_at,"
            " history_pruned_at = updated_at, lease_token = NULL, lease_expires_at = NULL"
            " WHERE status IN ('queued', 'processing')"
        )
    database.close()


def live(full: Path, empty: Path, *, seconds: float) -> Lived:
    """Use both products for so long, by the folders of their data."""
    lived: Lived = {}
    with ExitStack() as open_:
        people: dict[str, Person] = {}
        for name, folder in (("empty", empty), ("full", full)):
            product = open_.enter_context(running(folder, environment={"RATE_LIMITS": "off"}))
            people[name] = open_.enter_context(sign_up(product))
            people[name].put_on_plan("pro")
            lived[name] = {"login": Answers(), "POST /tasks": Answers()}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, person in people.items():
                account = {"email": person.email, "password": person.password}
                _ask(lived[name]["login"], person, "/auth/login", account)
                if _unfinished(person) < AT_ONCE:
                    task = {"prompt": "a lamp", "parameters": {"width": 64, "height": 64}}
                    _ask(lived[name]["POST /tasks"], person, "/tasks", task)
    return lived


def _ask(answers: Answers, person: Person, path: str, body: Mapping[str, object]) -> None:
    started = time.perf_counter()
    answer = person.client.post(path, json=body)
    answers.milliseconds.append((time.perf_counter() - started) * 1000)
    answers.statuses[answer.status_code] += 1


def _unfinished(person: Person) -> int:
    page = person.client.get("/tasks", params={"limit": 100})
    if page.status_code != httpx.codes.OK:
        return AT_ONCE
    ended = {"completed", "failed", "cancelled", "expired"}
    return sum(task["status"] not in ended for task in page.json()["items"])


def problems(lived: Lived) -> list[str]:
    """What does not hold."""
    found = []
    for route, answers in lived["full"].items():
        refused = answers.statuses.total() - answers.statuses[200] - answers.statuses[202]
        ratio = answers.p50 / lived["empty"][route].p50
        if refused:
            found.append(f"{route}: {refused} of {answers.statuses.total()} were refused")
        if ratio > MOST_RATIO:
            found.append(f"{route}: {ratio:.1f} times the median of an empty database")
    return found
