import logging
from datetime import timedelta
from itertools import repeat
from time import monotonic
from uuid import UUID

from sqlalchemy import Select

from shared import clock, settings
from shared.clients import objects
from shared.clients.objects import ObjectStoreUnavailable
from shared.database import transaction
from shared.process.parallel import for_each, within
from shared.repositories import purging as repository
from shared.repositories.purging import Deadlines
from shared.services.pruning import prune

logger = logging.getLogger(__name__)

# Together less than the 900 s that the template gives the purge. An account that takes longer goes
# on where it stopped, after the others, at the next purge.
PURGE_SECONDS = 500.0
ACCOUNT_SECONDS = 200.0
PRUNING_SECONDS = 60.0
FOLDERS_AT_A_TIME = 8


async def purge() -> int:
    """Erase the accounts whose retention period is over, with their pictures, and prune what nobody
    needs any more. Returns how many accounts were erased.

    An account stays as long as a mailed link can confirm it or bring it back; and one whose
    pictures cannot be deleted now is left to the next purge.
    """
    retention, now = settings.retention(), clock.now()
    deadlines = Deadlines(
        deleted_before=now - timedelta(days=retention.deleted_account_days),
        pending_since=now - timedelta(days=retention.pending_account_days),
        now=now,
    )
    erased, end = 0, monotonic() + PURGE_SECONDS
    for accounts in (deadlines.closed(), deadlines.unconfirmed()):
        left = 0  # they come first in every batch
        while batch := await _due(accounts, skipped=left):
            for user_id in within(end - monotonic(), batch):
                done = await _erase(user_id, deadlines)
                erased, left = erased + done, left + (not done)
            if monotonic() >= end:
                break
    await prune(seconds=PRUNING_SECONDS)
    return erased


async def _due(accounts: Select[UUID], *, skipped: int) -> list[UUID]:
    async with transaction(writing=False) as session:
        return list(await repository.due(session, accounts, skipped=skipped))


async def _erase(user_id: UUID, deadlines: Deadlines) -> bool:
    """Erase an account from its leaves to its root, in transactions that are each short. Until the
    last one it stays due, so wherever this is killed, the next purge goes on. Returns whether the
    account is gone."""
    try:
        for _ in within(ACCOUNT_SECONDS, repeat(None)):
            if not await _erase_some_tasks(user_id, deadlines):
                return await _erase_the_rest(user_id, deadlines)
    except ObjectStoreUnavailable as error:
        logger.error(
            "An account was not purged", extra={"user_id": str(user_id), "error": str(error)}
        )
    return False


async def _erase_some_tasks(user_id: UUID, deadlines: Deadlines) -> bool:
    """Returns whether there may be more. The pictures go first, since the tasks say where they
    are.

    Raises:
        ObjectStoreUnavailable: the tasks are still there.
    """
    async with transaction(writing=False) as session:
        task_ids = await repository.some_tasks(session, user_id, deadlines)
    folders = [objects.folder(task_id) for task_id in task_ids]
    await for_each(folders, objects.delete_all, at_a_time=FOLDERS_AT_A_TIME)
    if not task_ids:
        return False
    async with transaction() as session:
        return await repository.erase_tasks(session, user_id, task_ids, deadlines)


async def _erase_the_rest(user_id: UUID, deadlines: Deadlines) -> bool:
    more = True
    while more:
        async with transaction() as session:
            more = await repository.erase_some_sessions(session, user_id, deadlines)
    async with transaction() as session:
        erased = await repository.erase(session, user_id, deadlines)
    if erased:
        logger.info("An account was purged", extra={"user_id": str(user_id)})
    return erased
