import math
from dataclasses import replace
from datetime import datetime

from shared import clock, settings
from shared.database import transaction
from shared.errors import QuotaExceeded, SizeBeyondPlan, TooManyTasksAtOnce
from shared.models.user import Plan, Subscription
from shared.plans import PLANS, Period, PlanLimits
from shared.process.parallel import within
from shared.repositories.subscriptions import SubscriptionRepository, overdue
from shared.repositories.users import Account
from shared.schemas.user import LimitsRead, SubscriptionRead, UsageRead

BUSY_SECONDS = 10  # by then, a running task may have ended
RENEWING_SECONDS = 2.0


async def admit_task(
    subscriptions: SubscriptionRepository, *, width: int, height: int
) -> tuple[PlanLimits, datetime]:
    """Count one more task, in the transaction that creates it. The owner must be locked.

    Returns the limits of the plan under which it was admitted, and its place in line (`turn_at`).

    Raises:
        SizeBeyondPlan: the picture is larger than the plan allows.
        QuotaExceeded: until the period ends.
        TooManyTasksAtOnce: until one of the tasks that wait or run has ended.
    """
    now = clock.now()
    line = await subscriptions.line()
    if line is None or line.period_end <= now:
        await renew(subscriptions, now)
        line = await subscriptions.line()
        assert line is not None  # noqa: S101 - one is live from now on
    limits = PLANS[line.plan]
    if max(width, height) > limits.longest_side:
        raise SizeBeyondPlan(plan=line.plan, longest_side=limits.longest_side)
    if line.tasks_used >= limits.tasks_per_period:
        raise QuotaExceeded(
            retry_after_seconds=math.ceil((line.period_end - now).total_seconds()),
            plan=line.plan,
            limit=limits.tasks_per_period,
        )
    if line.at_once >= limits.tasks_at_once:
        raise TooManyTasksAtOnce(
            retry_after_seconds=BUSY_SECONDS, plan=line.plan, limit=limits.tasks_at_once
        )
    await subscriptions.count_task(line.subscription_id)
    turn_at = line.next_turn(
        apart_seconds=settings.tasks().turn_seconds, head_start_seconds=limits.head_start_seconds
    )
    return limits, turn_at


async def renew(subscriptions: SubscriptionRepository, now: datetime) -> Subscription:
    """The live subscription. If its period is over, it ends and a successor takes its place.

    The owner must be locked, so that nobody else renews it meanwhile.
    """
    live = await subscriptions.live()
    if live is None:
        return await subscriptions.begin(Plan.FREE, Period.beginning(now))
    period = await _period_at(now, subscriptions, live)
    if period.start == live.period_start:
        return live
    await subscriptions.end(live, now=now)
    return await subscriptions.begin(live.plan, period)


async def change_plan(subscriptions: SubscriptionRepository, plan: Plan) -> Subscription:
    """Put a user on a plan from now on. The user must be locked.

    The period continues, and its usage counts, so changing back and forth gains nothing.
    """
    now = clock.now()
    live = await renew(subscriptions, now)
    if live.plan is plan:
        return live
    await subscriptions.end(live, now=now)
    return await subscriptions.begin(plan, _period_of(live), tasks_used=live.tasks_used)


def describe(
    subscription: Subscription | Account, *, first_start: datetime, at_once: int
) -> SubscriptionRead:
    """A live subscription with its limits and what is used of them: `first_start` is when the
    user's first period began, and `at_once` tasks wait or run.

    This only reads: a subscription whose period is over is shown as it will be renewed.
    """
    period = _following(clock.now(), _period_of(subscription), first_start)
    return SubscriptionRead(
        plan=subscription.plan,
        period_start=period.start,
        period_end=period.end,
        limits=LimitsRead.model_validate(PLANS[subscription.plan]),
        usage=UsageRead(
            tasks=subscription.tasks_used if period.start == subscription.period_start else 0,
            at_once=at_once,
        ),
    )


async def renew_overdue() -> None:
    """Renew a batch of subscriptions whose period is over: their owners may stay away for long."""
    async with transaction(writing=False) as session:
        owners = list(await session.scalars(overdue(clock.now())))
    for owner_id in within(RENEWING_SECONDS, owners):
        async with transaction() as session:
            subscriptions = SubscriptionRepository(session, user_id=owner_id)
            if await subscriptions.lock_owner() is not None:
                await renew(subscriptions, clock.now())


async def _period_at(
    now: datetime, subscriptions: SubscriptionRepository, live: Subscription
) -> Period:
    """The period of a live subscription that contains `now`: its own, or one that will follow."""
    period = _period_of(live)
    if now < period.end:
        return period
    return _following(now, period, await subscriptions.first_start())


def _following(now: datetime, period: Period, first_start: datetime) -> Period:
    return period if now < period.end else replace(period, anchor_day=first_start.day).at(now)


def _period_of(subscription: Subscription | Account) -> Period:
    return Period(subscription.period_start, subscription.period_end)
