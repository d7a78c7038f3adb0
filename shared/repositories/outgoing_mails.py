from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.mail import MailKind, OutgoingMail

BATCH = 10
CLAIM_SECONDS = 60


class OutgoingMailRepository:
    """Every query on mails that wait to be sent."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, kind: MailKind, address: str, *, token_id: UUID | None = None) -> None:
        """Add a mail that is sent once this transaction has committed."""
        self._session.add(OutgoingMail(kind=kind, address=address, token_id=token_id))
        await self._session.flush()

    async def claim(self) -> Sequence[OutgoingMail]:
        """Mails that are due, reserved for a minute, which is enough to send and remove them."""
        due = (
            select(OutgoingMail.id)
            .where(OutgoingMail.available_at <= database_now())
            .order_by(OutgoingMail.available_at)
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

    async def remove(self, mail_id: UUID) -> None:
        await self._session.execute(delete(OutgoingMail).where(OutgoingMail.id == mail_id))
