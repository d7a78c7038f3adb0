from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.mail import MailboxMessage


class MailboxRepository:
    """Every query on the mailbox for developers."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, message: MailboxMessage) -> None:
        self._session.add(message)
        await self._session.flush()

    async def list(
        self, *, recipient: str | None = None, limit: int = 50
    ) -> Sequence[MailboxMessage]:
        """The newest first; of one recipient or of all."""
        query = select(MailboxMessage).order_by(
            MailboxMessage.received_at.desc(), MailboxMessage.id
        )
        if recipient is not None:
            query = query.where(MailboxMessage.recipient == recipient)
        return (await self._session.scalars(query.limit(limit))).all()
