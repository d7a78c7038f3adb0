import logging
from datetime import datetime, timedelta
from uuid import UUID

from shared import clock, settings
from shared.clients import objects
from shared.clients.objects import ObjectStoreUnavailable
from shared.database import transaction
from shared.repositories import purging as repository
from shared.repositories.mailbox import MailboxRepository
from shared.repositories.one_time_tokens import OneTimeTokenRepository

logger = logging.getLogger(__name__)

MAILBOX_RETENTION_SECONDS = 7 * 86400


async def purge() -> int:
    """Erase the accounts whose retention period is over, with their pictures, and prune their
    history. Returns how many accounts were erased.

    An account stays as long as a mailed link can confirm it or bring it back; and one whose
    pictures cannot be deleted now is left to the next purge.
    """
    retention, now = settings.retention(), clock.now()
    deleted_before = now - timedelta(days=retention.deleted_account_days)
    pending_since = now - timedelta(days=retention.pending_account_days)
    erased = 0
    while batch := await _due(deleted_before, pending_since, now):
        done = [await _erase(user_id, deleted_before, pending_since, now) for user_id in batch]
        erased += sum(done)
        if not any(done):
            break
    async with transaction() as session:
        await OneTimeTokenRepository(session).prune(now=now)
        await MailboxRepository(session).prune(retention_seconds=MAILBOX_RETENTION_SECONDS)
        await repository.prune_auth_events(
            session, before=now - timedelta(days=retention.auth_event_days)
        )
    return erased


async def _due(deleted_before: datetime, pending_since: datetime, now: datetime) -> list[UUID]:
    async with transaction(writing=False) as session:
        found = await repository.due(
            session, deleted_before=deleted_before, pending_since=pending_since, now=now
        )
    return list(found)


async def _erase(
    user_id: UUID, deleted_before: datetime, pending_since: datetime, now: datetime
) -> bool:
    async with transaction(writing=False) as session:
        task_ids = await repository.task_ids(session, user_id)
    try:
        for task_id in task_ids:
            await objects.delete_all(objects.folder(task_id))
    except ObjectStoreUnavailable as error:
        logger.error(
            "An account was not purged", extra={"user_id": str(user_id), "error": str(error)}
        )
        return False
    async with transaction() as session:
        erased = await repository.erase(
            session, user_id, deleted_before=deleted_before, pending_since=pending_since, now=now
        )
    if erased:
        logger.info("An account was purged", extra={"user_id": str(user_id)})
    return erased
