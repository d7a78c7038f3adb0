from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from shared.models.base import database_now
from shared.models.mail import MailKind, OutgoingMail
from shared.models.one_time_token import OneTimeToken

BATCH = 10
CLAIM_SECONDS = 60


class OutgoingMailRepository:
    """Every query on mails that wait to be sent."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, kind: MailKind, address: str, *, token_id: UUID | None = None) -> None:
        """Add news of an account, sent once this transaction has committed. No limit drops them;
        what anybody may ask for goes through `request`."""
        self._session.add(OutgoingMail(kind=kind, address=address, token_id=token_id))
        await self._session.flush()

    async def request(
        self,
        kind: MailKind,
        address: str,
        *,
        asker: str,
        token_id: UUID | None = None,
        password_hash: str | None = None,
    ) -> None:
        """Add a mail that somebody asks for, a text of `shared.limits.askers`: it is sent once this
        transaction has committed, if the limits of asker and mailbox permit."""
        self._session.add(
            OutgoingMail(
                kind=kind,
                address=address,
                asker=asker,
                token_id=token_id,
                password_hash=password_hash,
            )
        )
        await self._session.flush()

    async def claim(self) -> Sequence[OutgoingMail]:
        """Mails that are due, reserved for a minute, which is enough to send and remove them; first
        those that nobody asked for, so that noise does not hold them up."""
        due = (
            select(OutgoingMail.id)
            .where(OutgoingMail.available_at <= database_now())
            .order_by(OutgoingMail.asker.is_not(None), OutgoingMail.available_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        claimed = await self._session.scalars(
            update(OutgoingMail)
            .where(OutgoingMail.id.in_(due))
            .values(available_at=database_now(CLAIM_SECONDS), attempts=OutgoingMail.attempts + 1)
            .returning(OutgoingMail)
            .execution_options(synchronize_session=False)
        )
        return claimed.all()

    async def postpone(self, mail_id: UUID, *, seconds: float) -> None:
        await self._session.execute(
            update(OutgoingMail)
            .where(OutgoingMail.id == mail_id)
            .values(available_at=database_now(seconds))
        )

    async def has_newer(self, mail: OutgoingMail) -> bool:
        """Whether the same asker asked for the same mail again, and, if it carries a link, for the
        same account."""
        newer = select(OutgoingMail.id).where(
            OutgoingMail.address == mail.address,
            OutgoingMail.kind == mail.kind,
            OutgoingMail.asker.is_not_distinct_from(mail.asker),
            OutgoingMail.created_at > mail.created_at,
        )
        if mail.token_id is not None:
            own, later = aliased(OneTimeToken), aliased(OneTimeToken)
            newer = newer.join(later, later.id == OutgoingMail.token_id).join(
                own, (own.user_id == later.user_id) & (own.id == mail.token_id)
            )
        return await self._session.scalar(newer.limit(1)) is not None

    async def keep_waiting(self, mail_id: UUID, *, seconds: float) -> None:
        """As `postpone`, for a mail that nobody tried to send: that is no attempt."""
        await self._session.execute(
            update(OutgoingMail)
            .where(OutgoingMail.id == mail_id)
            .values(available_at=database_now(seconds), attempts=OutgoingMail.attempts - 1)
        )

    async def remove(self, mail_id: UUID) -> None:
        await self._session.execute(delete(OutgoingMail).where(OutgoingMail.id == mail_id))
