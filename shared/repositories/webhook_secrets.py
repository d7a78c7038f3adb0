import secrets
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.webhook import WebhookSecret
from shared.security.webhook_signatures import SALT_BYTES


class WebhookSecretRepository:
    """The secrets that sign one user's webhooks: the current one, and the one before it while it
    still signs too. The owner must be locked where one is added."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self._session = session
        self._owner_id = owner_id

    async def live(self) -> Sequence[WebhookSecret]:
        """Those that sign now, the current one first."""
        found = await self._session.scalars(
            self._owned()
            .where(
                or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > database_now())
            )
            .order_by(WebhookSecret.expires_at.is_not(None))
        )
        return found.all()

    async def ensure(self) -> None:
        """Make a first secret, if there is none."""
        current = self._owned().where(WebhookSecret.expires_at.is_(None)).limit(1)
        if await self._session.scalar(current) is None:
            await self._add()

    async def rotate(self, *, overlap_seconds: float) -> WebhookSecret:
        """Put a new secret in the current one's place, which goes on signing for this long. One
        that was replaced earlier ends now."""
        owned = WebhookSecret.user_id == self._owner_id
        unsynchronised = {"synchronize_session": False}
        await self._session.execute(
            delete(WebhookSecret)
            .where(owned, WebhookSecret.expires_at.is_not(None))
            .execution_options(**unsynchronised)
        )
        await self._session.execute(
            update(WebhookSecret)
            .where(owned)
            .values(expires_at=database_now(overlap_seconds))
            .execution_options(**unsynchronised)
        )
        return await self._add()

    async def _add(self) -> WebhookSecret:
        made = WebhookSecret(user_id=self._owner_id, salt=secrets.token_bytes(SALT_BYTES))
        self._session.add(made)
        await self._session.flush()
        await self._session.refresh(made)
        return made

    def _owned(self) -> Select[WebhookSecret]:
        return select(WebhookSecret).where(WebhookSecret.user_id == self._owner_id)
