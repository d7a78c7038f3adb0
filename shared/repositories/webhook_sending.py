"""The queries of the sender of webhooks over all owners, each limited to a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.task import Task
from shared.models.webhook import DeliveryStatus, WebhookDelivery, WebhookEndpoint

LEASE_SECONDS = 60

UNSYNCHRONISED = {"synchronize_session": False}


async def anything_due(session: AsyncSession) -> bool:
    due = select(WebhookEndpoint.id).where(WebhookEndpoint.due_at <= database_now()).limit(1)
    return await session.scalar(due) is not None


async def claim(session: AsyncSession, *, limit: int) -> Sequence[WebhookEndpoint]:
    """The endpoints that have been due for longest. Each is this sender's alone for a minute, which
    is enough for one attempt and for writing how it went."""
    due = (
        select(WebhookEndpoint.id)
        .where(WebhookEndpoint.due_at <= database_now())
        .order_by(WebhookEndpoint.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    end = database_now(LEASE_SECONDS)
    claimed = await session.scalars(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id.in_(due))
        .values(due_at=end, busy_until=end, lease_token=uuid4())
        .returning(WebhookEndpoint)
        .execution_options(**UNSYNCHRONISED)
    )
    return claimed.all()


async def due(
    session: AsyncSession, endpoint: WebhookEndpoint, *, limit: int
) -> Sequence[tuple[WebhookDelivery, Task]]:
    """The deliveries of an endpoint whose time has come, with the tasks they tell of."""
    found = await session.execute(
        select(WebhookDelivery, Task)
        .join(Task, Task.id == WebhookDelivery.task_id)
        .where(
            WebhookDelivery.endpoint_id == endpoint.id,
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.next_attempt_at <= database_now(),
        )
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(limit)
    )
    return [(delivery, task) for delivery, task in found]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt went: the status that the receiver answered, or a word for why there was no
    answer."""

    status: int | None = None
    error: str | None = None


async def finish(
    session: AsyncSession, delivery: WebhookDelivery, status: DeliveryStatus, attempt: Attempt
) -> None:
    """Write the last attempt of a delivery. A success counts even from a sender whose turn is
    over."""
    own = () if status is DeliveryStatus.DELIVERED else (_unchanged(delivery),)
    await _note(session, delivery, attempt, *own, status=status, finished_at=database_now())


async def try_later(
    session: AsyncSession, delivery: WebhookDelivery, attempt: Attempt, *, seconds: float
) -> None:
    """Write a failed attempt that another one follows after this pause."""
    await _note(
        session, delivery, attempt, _unchanged(delivery), next_attempt_at=database_now(seconds)
    )


async def give_up(session: AsyncSession, endpoint: WebhookEndpoint, *, limit: int) -> None:
    """End deliveries to a disabled endpoint without an attempt, whenever they are due."""
    pending = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == endpoint.id,
            WebhookDelivery.status == DeliveryStatus.PENDING,
        )
        .limit(limit)
    )
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(pending))
        .values(status=DeliveryStatus.DISABLED, finished_at=database_now())
        .execution_options(**UNSYNCHRONISED)
    )


async def disable(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint.id)
        .values(disabled_at=database_now())
        .execution_options(**UNSYNCHRONISED)
    )


async def release(
    session: AsyncSession, endpoint: WebhookEndpoint, *, failures: int, pause_seconds: float
) -> None:
    """End this sender's turn, and a pause before the next one; it is due when its next delivery is.

    The lock comes first: whoever promises a delivery meanwhile has either committed it, so that the
    UPDATE sees it, or waits and then says itself when the endpoint is due.
    """
    held = select(WebhookEndpoint.id).where(
        WebhookEndpoint.id == endpoint.id, WebhookEndpoint.lease_token == endpoint.lease_token
    )
    if await session.scalar(held.with_for_update()) is None:
        return
    pending = WebhookDelivery.status == DeliveryStatus.PENDING
    first = (
        select(func.min(WebhookDelivery.next_attempt_at))
        .where(WebhookDelivery.endpoint_id == endpoint.id, pending)
        .scalar_subquery()
    )
    until = database_now(pause_seconds)
    next_turn = case((first > until, first), (first.is_not(None), until), else_=None)
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint.id)
        .values(
            due_at=next_turn,
            busy_until=until,
            lease_token=None,
            failures=failures,
        )
        .execution_options(**UNSYNCHRONISED)
    )


def _unchanged(delivery: WebhookDelivery) -> ColumnElement[bool]:
    """Whether no other sender has written an attempt since this one read the delivery."""
    return WebhookDelivery.attempts == delivery.attempts


async def _note(
    session: AsyncSession,
    delivery: WebhookDelivery,
    attempt: Attempt,
    *guard: ColumnElement[bool],
    **values: Any,
) -> None:
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery.id,
            WebhookDelivery.status == DeliveryStatus.PENDING,
            *guard,
        )
        .values(
            attempts=WebhookDelivery.attempts + 1,
            last_status=attempt.status,
            last_error=attempt.error,
            **values,
        )
        .execution_options(**UNSYNCHRONISED)
    )
