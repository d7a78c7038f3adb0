"""What requests, workers, sweeps and the purge ask of a database most, by the code that asks it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bench.scale.seeds import CLOSED_ACCOUNT
from shared import clock
from shared.engine import claiming, transitions
from shared.models.session import UserSession
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import User
from shared.repositories import purging, sweeping
from shared.repositories.mailbox import MailboxRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.pruning import rules, which_are_due
from shared.repositories.purging import Deadlines
from shared.repositories.sessions import SessionRepository
from shared.repositories.sign_ins import NOTHING
from shared.repositories.subscriptions import SubscriptionRepository, overdue
from shared.repositories.tasks import Cursor, TaskRepository, page_query
from shared.repositories.users import ACCOUNT, UserRepository

Ask = Callable[[AsyncSession], Awaitable[Any]]


@dataclass(frozen=True)
class Found:
    """Rows that the statements are about: the busiest user, and one of many small ones."""

    busy: UUID
    small: UUID
    session: UUID
    task: UUID
    waiting: UUID
    deep: Cursor

    @classmethod
    async def find(cls, session: AsyncSession) -> "Found":
        async def user(address: str) -> UUID:
            return await session.scalar(select(User.id).where(User.email == address)) or UUID(int=0)

        busy, small = await user("u1@example.com"), await user("u778@example.com")
        some = (select(Task).where(Task.user_id == small).limit(1), UserSession.user_id == small)
        oldest = select(Task).where(Task.user_id == busy).order_by(Task.created_at)
        task = (await session.scalars(some[0])).one()
        signed_in = (await session.scalars(select(UserSession.id).where(some[1]).limit(1))).one()
        waiting = select(Task.id).where(Task.status == TaskStatus.QUEUED).limit(1)
        return cls(
            busy=busy,
            small=small,
            session=signed_in,
            task=task.id,
            waiting=(await session.scalars(waiting)).one(),
            deep=Cursor.of((await session.scalars(oldest.offset(30).limit(1))).one()),
        )


def statements(of: Found) -> Mapping[str, Ask]:
    """Each by its name."""
    now = clock.now()
    every_rule = rules(now)
    deadlines = Deadlines(
        deleted_before=now - timedelta(days=30), pending_since=now - timedelta(days=7), now=now
    )

    def page(owner: UUID, **options: Any) -> Ask:
        asked = {"status": None, "after": None, "limit": 20} | options
        return lambda session: session.execute(*page_query(owner, **asked))

    return {
        "request: session and user": lambda s: s.execute(
            NOTHING.by_session, {"asking_session": of.session}
        ),
        "login: account by address": lambda s: UserRepository(s).get_for_login("u778@example.com"),
        "login: end the oldest sessions": lambda s: SessionRepository(s).evict(
            of.busy, kept=20, now=now
        ),
        "sessions of the busiest user": lambda s: SessionRepository(s).live(of.busy, now=now),
        "account": lambda s: s.execute(ACCOUNT.by_user, {"asking_user": of.small}),
        "list: first page": page(of.small),
        "list: first page, busiest user": page(of.busy),
        "list: the last page, busiest user": page(of.busy, after=of.deep),
        "list: failed, busiest user": page(of.busy, status=TaskStatus.FAILED),
        "list: expired (none), busiest user": page(of.busy, status=TaskStatus.EXPIRED),
        "create: place in line": lambda s: SubscriptionRepository(s, user_id=of.busy).line(),
        "claim: first in line": lambda s: s.scalar(claiming._first_in_line(skip_locked=True)),
        "claim": lambda s: transitions.claim(s, of.waiting, worker_id="bench"),
        "doorbell rang": lambda s: transitions.mark_dispatched(s, of.waiting, 8),
        "update was published": lambda s: transitions.mark_published(s, {of.waiting: 8}),
        "next task of an owner": lambda s: claiming.next_without_doorbell(s, of.busy),
        "delete a task": lambda s: TaskRepository(s, owner_id=of.small).delete(of.task),
        "mailbox": lambda s: MailboxRepository(s).list(),
        "sweep: promised doorbells": sweeping.claim_outbox,
        "sweep: lost leases": lambda s: s.scalars(sweeping.with_lost_lease()),
        "sweep: lost doorbells": lambda s: s.scalars(sweeping.unheard(60)),
        "sweep: no doorbell": lambda s: s.scalars(sweeping.without_doorbell()),
        "sweep: unpublished": lambda s: s.scalars(sweeping.unpublished(2)),
        "sweep: overdue": lambda s: s.scalars(sweeping.overdue()),
        "sweep: mails": lambda s: OutgoingMailRepository(s).claim(),
        "sweep: periods that are over": lambda s: s.scalars(overdue(now)),
        "sweep: figures": lambda s: sweeping.backlog(s, stuck_seconds=60),
        "sweep: what may be pruned": lambda s: which_are_due(s, every_rule),
        **{
            f"prune: {rule.table} ({number})": rule.prune
            for number, rule in enumerate(every_rule, 1)
        },
        "purge: deleted accounts": lambda s: purging.due(s, deadlines.closed(), skipped=0),
        "purge: unconfirmed accounts": lambda s: purging.due(s, deadlines.unconfirmed(), skipped=0),
        "purge: a batch of tasks": lambda s: _purge_some(s, deadlines),
    }


async def _purge_some(session: AsyncSession, deadlines: Deadlines) -> None:
    account = UUID(CLOSED_ACCOUNT)
    task_ids = await purging.some_tasks(session, account, deadlines)
    await purging.erase_tasks(session, account, task_ids, deadlines)
