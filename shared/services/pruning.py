import asyncio
import random
from time import monotonic

from shared import clock
from shared.database import transaction
from shared.repositories import pruning as repository
from shared.repositories.pruning import Rule


async def prune(*, seconds: float) -> None:
    """Delete what nobody needs any more, in batches that take turns, for at most this long.

    What is left then is for the next call, which begins with another table: a slow database whose
    calls all end at the first must not let the others grow. Where nothing has fallen due, this only
    reads.
    """
    due = await _due()
    random.shuffle(due)
    end = monotonic() + seconds
    while due:
        rule = due.pop(0)
        started = monotonic()
        if started >= end:
            return
        async with transaction() as session:
            more = await rule.prune(session)
        if more:
            due.append(rule)
        # SQLite has one writer: whoever waits for it now gets as much time as the batch took.
        await asyncio.sleep(monotonic() - started)


async def _due() -> "list[Rule]":
    every = repository.rules(clock.now())
    async with transaction(writing=False) as session:
        return list(await repository.which_are_due(session, every))
