"""How long each statement takes in a small and in a large database, in turns, and by which plan."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from bench.scale.statements import Ask, Found, statements
from shared import database
from shared.singletons import forget_singletons

ROUNDS = 7
GOAL_MS = 15.0
MOST_GROWTH = 1.5
# Below this, a ratio compares the machine's moods, as does one attempt on a busy machine.
NOISE_MS = 3.0
ATTEMPTS = 3

Sent = list[tuple[str, Any]]


@dataclass
class Timed:
    """One statement, or the few of one call: milliseconds by round, and the steps of its plan."""

    name: str
    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        return max(median(self.large), NOISE_MS) / max(median(self.small), NOISE_MS)

    @property
    def holds(self) -> bool:
        return median(self.large) <= GOAL_MS and self.growth <= MOST_GROWTH


class Undo(Exception):
    """Ends a transaction that must leave no trace."""


@dataclass
class Side:
    """One database: its engine, and the statements about its rows."""

    engine: Any
    asks: dict[str, Ask]

    async def time(self, name: str) -> tuple[float, Sent]:
        """Milliseconds that the database took, of a transaction that is rolled back."""
        spent = 0.0
        with _listening(self.engine) as sent:
            try:
                async with AsyncSession(self.engine) as session, session.begin():
                    answer = await self.asks[name](session)
                    if hasattr(answer, "all"):
                        answer.all()
                    spent = sent.milliseconds
                    raise Undo
            except Undo:
                return spent, sent.statements

    async def explain(self, statements_sent: Sent) -> list[str]:
        sqlite = self.engine.dialect.name == "sqlite"
        explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN (COSTS OFF) "
        steps = []
        async with self.engine.connect() as connection:
            for statement, parameters in statements_sent:
                if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                    rows = await connection.exec_driver_sql(explain + statement, parameters)
                    steps += [str(row[-1]) for row in rows]
            await connection.rollback()
        return [step for step in map(_shown, steps) if step]


def _shown(step: str) -> str | None:
    """The steps that read a table; how they are joined is left out."""
    text = step.strip().removeprefix("->").strip()
    return text if text.startswith(("SCAN", "SEARCH", "Index", "Bitmap", "Seq", "Tid")) else None


@dataclass
class Listener:
    statements: Sent = field(default_factory=list)
    milliseconds: float = 0
    began: float = 0


@contextmanager
def _listening(engine: Any) -> Iterator[Listener]:
    heard = Listener()

    def before(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        heard.statements.append((statement, parameters))
        heard.began = perf_counter()

    def after(*_: Any) -> None:
        heard.milliseconds += (perf_counter() - heard.began) * 1000

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
    try:
        yield heard
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", before)
        event.remove(engine.sync_engine, "after_cursor_execute", after)


@asynccontextmanager
async def _side(url: str) -> AsyncIterator[Side]:
    os.environ["DATABASE_URL"] = url
    forget_singletons()
    engine = database.engine()
    async with AsyncSession(engine) as session, session.begin():
        found = await Found.find(session)
    yield Side(engine, dict(statements(found)))
    await engine.dispose()


async def compare(small: str, large: str) -> list[Timed]:
    """Time every statement in two databases, by their URLs."""
    results = []
    async with _side(small) as little, _side(large) as big:
        for name in little.asks:
            for _ in range(ATTEMPTS):
                timed = await _time(name, little, big)
                if timed.holds:
                    break
            results.append(timed)
    return results


async def _time(name: str, small: Side, large: Side) -> Timed:
    timed = Timed(name)
    for _ in range(ROUNDS):
        timed.small.append((await small.time(name))[0])
        spent, sent = await large.time(name)
        timed.large.append(spent)
    timed.plan = await large.explain(sent)
    return timed
