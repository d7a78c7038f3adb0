"""Which rows go when. Each rule finds its rows through an index that holds them alone or in the
order in which they fall due, so that it costs what there is to prune, whatever the table's size.

docs/user_domain.md says what happens to every table; a test demands it of a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, delete, exists, inspect, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared import settings
from shared.models.api_key import ApiKey
from shared.models.auth_event import AuthEvent
from shared.models.base import Base, database_now
from shared.models.mail import MailboxMessage, OutgoingMail
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.rate_limit_counter import RateLimitCounter
from shared.models.session import UserSession
from shared.models.task import IdempotencyKey, Outbox, Task, TaskEvent
from shared.models.user import Subscription
from shared.models.webhook import WebhookDelivery, WebhookEndpoint, WebhookSecret

# On SQLite a batch holds up every other writer for as long as it takes: some milliseconds.
BATCH = 100
MAIL_DAYS = 7
SUBSCRIPTION_DAYS = 365


class Rule(Protocol):
    """What may go of one table."""

    @property
    def table(self) -> str: ...

    def due(self) -> Select[Any]:
        """The times of what may go, the oldest first."""

    async def prune(self, session: AsyncSession) -> bool:
        """Delete a batch. Returns whether there may be more."""


@dataclass(frozen=True)
class Rows:
    """Rows whose time `at` came at `until` or earlier, if they also fulfil `condition`."""

    model: type[Base]
    at: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
    until: datetime
    condition: ColumnElement[bool] | None = None

    @property
    def table(self) -> str:
        return str(self.model.__tablename__)

    def due(self) -> Select[Any]:
        found = select(self.at).where(self.at <= self.until).order_by(self.at)
        return found if self.condition is None else found.where(self.condition)

    async def prune(self, session: AsyncSession) -> bool:
        key = inspect(self.model).primary_key
        batch = (
            self.due()
            .with_only_columns(*key)
            .limit(BATCH)
            .with_for_update(skip_locked=True)  # another sweep may be at the same rows
        )
        pruned = await session.scalars(
            delete(self.model)
            .where(tuple_(*key).in_(batch))
            .returning(key[0])
            .execution_options(synchronize_session=False)
        )
        return len(pruned.all()) >= BATCH


@dataclass(frozen=True)
class Histories:
    """The events of tasks that ended at `until` or earlier, except each task's last one.

    `history_pruned_at` is set once nothing is left to delete, which takes the task out of the index
    that is searched: no later sweep reads it, or any of its events, again.
    """

    until: datetime
    table = TaskEvent.__tablename__

    def due(self) -> Select[Any]:
        return (
            select(Task.finished_at)
            .where(Task.history_pruned_at.is_(None), Task.finished_at <= self.until)
            .order_by(Task.finished_at)
        )

    async def prune(self, session: AsyncSession) -> bool:
        batch = (
            self.due()
            .with_only_columns(Task.id)
            .limit(BATCH)
            .with_for_update(key_share=True, skip_locked=True)
        )
        task_ids = (await session.scalars(batch)).all()
        earlier = TaskEvent.sequence < Task.sequence
        events = (
            select(TaskEvent.task_id, TaskEvent.sequence)
            .join(Task, Task.id == TaskEvent.task_id)
            .where(Task.id.in_(task_ids), earlier)
            .limit(BATCH)
        )
        pruned = await session.scalars(
            delete(TaskEvent)
            .where(tuple_(TaskEvent.task_id, TaskEvent.sequence).in_(events))
            .returning(TaskEvent.sequence)
            .execution_options(synchronize_session=False)
        )
        kept = exists().where(TaskEvent.task_id == Task.id, earlier)
        await session.execute(
            update(Task)
            .where(Task.id.in_(task_ids), ~kept)
            .values(history_pruned_at=database_now())
            .execution_options(synchronize_session=False)
        )
        return len(task_ids) >= BATCH or len(pruned.all()) >= BATCH


def rules(now: datetime) -> Sequence[Rule]:
    """Every rule, with what has fallen due by now."""
    retention = settings.retention()
    history = now - timedelta(days=retention.auth_event_days)
    pending = now - timedelta(days=retention.pending_account_days)
    events = now - timedelta(seconds=settings.tasks().event_retention_seconds)
    mails = now - timedelta(days=MAIL_DAYS)
    return (
        Rows(IdempotencyKey, IdempotencyKey.expires_at, now),
        Rows(RateLimitCounter, RateLimitCounter.expires_at, now),
        Rows(Outbox, Outbox.done_at, events),
        Histories(events),
        *_expired_tokens(now, pending),
        Rows(OutgoingMail, OutgoingMail.created_at, mails),
        Rows(MailboxMessage, MailboxMessage.received_at, mails),
        Rows(AuthEvent, AuthEvent.occurred_at, history),
        Rows(UserSession, UserSession.idle_expires_at, history),
        Rows(UserSession, UserSession.revoked_at, history),
        Rows(ApiKey, ApiKey.expires_at, now),
        Rows(Subscription, Subscription.ended_at, now - timedelta(days=SUBSCRIPTION_DAYS)),
        *_webhooks(now, timedelta(seconds=settings.webhooks().retention_seconds)),
    )


def _webhooks(now: datetime, retention: timedelta) -> Sequence[Rule]:
    """An endpoint goes when nobody has used it for twice as long as a delivery is kept: as a rule,
    it has none left by then."""
    unneeded = ~exists().where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
    return (
        Rows(WebhookDelivery, WebhookDelivery.finished_at, now - retention),
        Rows(WebhookEndpoint, WebhookEndpoint.used_at, now - 2 * retention, unneeded),
        Rows(WebhookSecret, WebhookSecret.expires_at, now),
    )


def _expired_tokens(now: datetime, pending: datetime) -> Sequence[Rule]:
    """A sign-up that is not confirmed can ask for a new link, which needs the expired token; this
    one goes no later than an account that nobody confirms."""
    expired = OneTimeToken.expires_at
    mailed = [purpose for purpose in TokenPurpose if purpose != TokenPurpose.VERIFY_EMAIL]
    return (
        Rows(OneTimeToken, expired, now, OneTimeToken.consumed_at.is_not(None)),
        # One rule for each purpose, since the index has the tokens of one purpose in order.
        *(Rows(OneTimeToken, expired, now, OneTimeToken.purpose == purpose) for purpose in mailed),
        Rows(OneTimeToken, expired, pending, OneTimeToken.purpose == TokenPurpose.VERIFY_EMAIL),
    )


async def which_are_due(session: AsyncSession, every: Sequence[Rule]) -> Sequence[Rule]:
    """The rules that find something, by one statement. It asks for the oldest row, since for the
    mere existence of one PostgreSQL may read the table until it meets it."""
    oldest = (rule.due().limit(1).scalar_subquery() for rule in every)
    found = await session.execute(select(*oldest))
    return [rule for rule, time in zip(every, found.one(), strict=True) if time is not None]
