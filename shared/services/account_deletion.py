from uuid import UUID

from shared import clock
from shared.database import transaction
from shared.engine import transitions
from shared.errors import InvalidToken
from shared.models.mail import MailKind
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.tasks import TaskRepository
from shared.repositories.users import UserRepository
from shared.services.revocation import AccountEvent, revoke
from shared.services.step_up import require_recent_password
from shared.stream import socket_review


async def delete_account(user_id: UUID, session_id: UUID | None) -> None:
    """Close an account for good: it stops working at once, and the purge erases it later.

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
        await OutgoingMailRepository(session).add(MailKind.ACCOUNT_DELETED, user.email)
    await socket_review.request(user_id)
