from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.engine.webhooks import due_now
from shared.errors import DeliveryNotFound
from shared.models.base import database_now
from shared.models.webhook import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from shared.repositories.tasks import Cursor

Addressed = Row[WebhookDelivery, WebhookEndpoint]


@dataclass(frozen=True)
class Page:
    """Deliveries with the endpoints they go to."""

    deliveries: Sequence[Addressed]
    next_cursor: Cursor | None


class WebhookDeliveryRepository:
    """Every query on webhooks' deliveries for one owner."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self._session = session
        self._owner_id = owner_id

    async def page(
        self,
        *,
        status: DeliveryStatus | None,
        task_id: UUID | None,
        after: Cursor | None,
        limit: int,
    ) -> Page:
        """The newest deliveries first, at most `limit` of them."""
        query = (
            self._owned()
            .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
            .limit(limit + 1)
        )
        if status is not None:
            query = query.where(WebhookDelivery.status == status)
        if task_id is not None:
            query = query.where(WebhookDelivery.task_id == task_id)
        if after is not None:
            query = query.where(
                WebhookDelivery.created_at <= after.created_at,
                or_(
                    WebhookDelivery.created_at < after.created_at,
                    WebhookDelivery.id < after.task_id,
                ),
            )
        found = (await self._session.execute(query)).all()
        page = found[:limit]
        last = page[-1][0] if len(found) > limit else None
        return Page(page, Cursor(last.created_at, last.id) if last else None)

    async def send_again(self, delivery_id: UUID) -> Addressed:
        """Begin a delivery anew, whatever became of it, and let its endpoint have webhooks again.

        Raises:
            DeliveryNotFound: it is missing or somebody else's; nobody learns which.
        """
        one = self._owned().where(WebhookDelivery.id == delivery_id)
        found = (await self._session.execute(one)).one_or_none()
        if found is None:
            raise DeliveryNotFound
        # The endpoint comes first, as where a sender ends its turn: so neither waits for the other.
        await self._session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id == found[1].id)
            .values(due_at=due_now(), used_at=database_now(), disabled_at=None, failures=0)
            .execution_options(synchronize_session=False)
        )
        await self._session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.id == delivery_id)
            .values(
                status=DeliveryStatus.PENDING,
                attempts=0,
                next_attempt_at=database_now(),
                finished_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        return (await self._session.execute(one.execution_options(populate_existing=True))).one()

    def _owned(self) -> Select[WebhookDelivery, WebhookEndpoint]:
        return (
            select(WebhookDelivery, WebhookEndpoint)
            .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
            .where(WebhookDelivery.user_id == self._owner_id)
        )
