from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock
from shared.database import transaction
from shared.engine import transitions
from shared.errors import InvalidToken
from shared.models.mail import MailKind
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.tasks import TaskRepository
from shared.repositories.users import UserRepository
from shared.services.revocation import AccountEvent, revoke
from shared.services.step_up import require_recent_password
from shared.stream import socket_review


async def delete_account(user_id: UUID, session_id: UUID | None) -> None:
    """Close an account: it stops working at once, and the purge erases it later. Until then its
    mailbox can restore it; and an address that it left can undo that change, and with it this.

    Its tasks are cancelled here; the sweep tells whoever still watches them.

    Raises:
        ReauthenticationRequired: see `require_recent_password`.
        InvalidToken: it was deleted after the request was authenticated.
    """
    async with transaction() as session:
        users = UserRepository(session)
        await users.lock(user_id)
        await require_recent_password(session, session_id)
        user = await users.mark_deleted(user_id, now=clock.now())
        if user is None:
            raise InvalidToken
        await revoke(session, user_id, AccountEvent.DELETED)
        for task_id in await TaskRepository(session, owner_id=user_id).unfinished():
            await transitions.cancel(session, task_id, owner_id=user_id)
        mails = OutgoingMailRepository(session)
        await mails.add(MailKind.ACCOUNT_DELETED, user.email)
        await _remind_former_addresses(session, mails, user_id)
    await socket_review.request(user_id)


async def _remind_former_addresses(
    session: AsyncSession, mails: OutgoingMailRepository, user_id: UUID
) -> None:
    """Send the links to undo a change of address again: who deleted the account may be a thief."""
    now, tokens = clock.now(), OneTimeTokenRepository(session)
    for address in await tokens.reserved_addresses(user_id, now=now):
        token = await tokens.find_reservation(address, now=now)
        if token is not None and token.email is not None:
            await mails.add(MailKind.EMAIL_CHANGED, token.email, token_id=token.id)
