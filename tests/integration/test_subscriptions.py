import asyncio
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

import functions.auth.me
import functions.ops.set_plan
import functions.tasks.create
from shared import clock
from shared.database import transaction
from shared.errors import DomainError, Unprocessable, UserNotFound
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import Plan, Subscription, User
from shared.plans import PLANS
from shared.process.event_loop import run
from shared.repositories.subscriptions import SubscriptionRepository
from shared.schemas.task import ParametersIn, TaskCreate
from shared.services.subscriptions import renew, renew_overdue
from shared.services.tasks import TaskService
from tests.http import Answer, call
from tests.tasks import make_subscriber

DATABASES = ["backend", "postgresql_backend"]
LAMP = TaskCreate(prompt="a lamp")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> pytest.MonkeyPatch:
    """The application on SQLite, then on PostgreSQL, each with room for concurrent requests."""
    backend: pytest.MonkeyPatch = request.getfixturevalue(request.param)
    backend.setenv("DATABASE_POOL_SIZE", "10")
    return backend


@pytest.fixture
def owner(database: pytest.MonkeyPatch) -> UUID:
    return run(make_subscriber())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans with low limits."""
    free = replace(PLANS[Plan.FREE], tasks_per_period=7, tasks_at_once=50)
    pro = replace(PLANS[Plan.PRO], tasks_per_period=9, tasks_at_once=50)
    monkeypatch.setattr("shared.services.subscriptions.PLANS", {Plan.FREE: free, Plan.PRO: pro})


async def subscriptions_of(user_id: UUID) -> list[Subscription]:
    async with transaction(writing=False) as session:
        query = select(Subscription).where(Subscription.user_id == user_id)
        return list(await session.scalars(query.order_by(Subscription.period_end)))


async def tasks_of(user_id: UUID) -> int:
    async with transaction(writing=False) as session:
        count = select(func.count()).select_from(Task).where(Task.user_id == user_id)
        return await session.scalar(count) or 0


async def change_tasks(user_id: UUID, **columns: Any) -> None:
    async with transaction() as session:
        await session.execute(update(Task).where(Task.user_id == user_id).values(**columns))


async def delete_tasks(user_id: UUID) -> None:
    async with transaction() as session:
        await session.execute(delete(Task).where(Task.user_id == user_id))


async def move_period(user_id: UUID, by: timedelta) -> None:
    async with transaction() as session:
        for subscription in await session.scalars(
            select(Subscription).where(Subscription.user_id == user_id)
        ):
            subscription.period_start += by
            subscription.period_end += by


def submit(user_id: UUID, body: Any = None, **headers: str) -> Answer:
    return call(
        functions.tasks.create.handler,
        "POST",
        "/api/v1/tasks",
        headers={"X-User-Id": str(user_id), **headers},
        json_body={"prompt": "a lamp"} if body is None else body,
        source_ip="127.0.0.1",
    )


def subscription_shown(user_id: UUID) -> Any:
    answer = call(
        functions.auth.me.handler,
        "GET",
        "/api/v1/auth/me",
        headers={"X-User-Id": str(user_id)},
        source_ip="127.0.0.1",
    )
    return answer.json["subscription"]


def create_side_by_side(user_id: UUID, count: int) -> Counter[str]:
    async def create_all() -> list[object]:
        service = TaskService(user_id)
        attempts = [service.create(LAMP, idempotency_key=None) for _ in range(count)]
        return await asyncio.gather(*attempts, return_exceptions=True)

    results = run(create_all())
    return Counter(each.code if isinstance(each, DomainError) else "made" for each in results)


def test_exactly_as_many_of_many_simultaneous_tasks_are_created_as_the_quota_allows(owner, small):
    outcomes = create_side_by_side(owner, 30)

    assert outcomes == {"made": 7, "quota_exceeded": 23}
    assert run(tasks_of(owner)) == 7


def test_no_more_of_many_simultaneous_tasks_run_than_the_plan_allows(owner):
    outcomes = create_side_by_side(owner, 30)

    at_once = PLANS[Plan.FREE].tasks_at_once
    assert outcomes == {"made": at_once, "too_many_tasks_at_once": 30 - at_once}


def test_a_period_that_ends_amid_many_requests_is_renewed_once(database, small):
    owner = run(make_subscriber(ends_in=timedelta(seconds=-1)))

    outcomes = create_side_by_side(owner, 30)

    past, live = run(subscriptions_of(owner))
    assert outcomes == {"made": 7, "quota_exceeded": 23}
    assert (past.ended_at is not None, live.ended_at) == (True, None)
    assert live.period_start == past.period_end


def test_a_task_above_the_quota_is_refused_until_the_period_ends(owner, small):
    for _ in range(7):
        submit(owner)

    refused = submit(owner)

    seconds = timedelta(days=3).total_seconds()
    assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
    assert (refused.json["plan"], refused.json["limit"]) == ("free", 7)
    assert seconds - 60 < int(refused.headers["retry-after"]) <= seconds


def test_tasks_of_the_last_period_do_not_count(owner, small):
    for _ in range(7):
        submit(owner)
    run(move_period(owner, -timedelta(days=4)))

    assert submit(owner).status == 202


def test_a_deleted_task_still_counts(owner, small):
    for _ in range(7):
        submit(owner)
    run(delete_tasks(owner))

    assert submit(owner).json["code"] == "quota_exceeded"


def test_finished_tasks_make_room_for_others(owner):
    at_once = PLANS[Plan.FREE].tasks_at_once
    for _ in range(at_once):
        assert submit(owner).status == 202

    refused = submit(owner)
    run(change_tasks(owner, status=TaskStatus.FAILED, finished_at=clock.now()))

    assert (refused.status, refused.json["code"]) == (429, "too_many_tasks_at_once")
    assert int(refused.headers["retry-after"]) > 0
    assert submit(owner).status == 202


@pytest.mark.parametrize("parameters", [{"width": 1025}, {"height": 2048}])
def test_a_picture_larger_than_the_plan_allows_is_refused(owner, parameters):
    refused = submit(owner, {"prompt": "a lamp", "parameters": parameters})

    assert (refused.status, refused.json["code"]) == (403, "size_beyond_plan")
    assert refused.json["longest_side"] == 1024
    assert run(tasks_of(owner)) == 0


def test_the_larger_plan_allows_the_larger_picture(database):
    owner = run(make_subscriber(Plan.PRO))

    async def create() -> None:
        large = TaskCreate(prompt="a lamp", parameters=ParametersIn(width=2048))
        await TaskService(owner).create(large, idempotency_key=None)

    run(create())

    assert run(tasks_of(owner)) == 1


def test_a_repeated_request_gets_its_answer_even_when_the_quota_is_used_up(owner, small):
    first = submit(owner, **{"Idempotency-Key": "k"})
    for _ in range(6):
        submit(owner)

    again = submit(owner, **{"Idempotency-Key": "k"})

    assert (again.status, again.json) == (202, first.json)


def test_other_users_have_quotas_of_their_own(owner, small):
    create_side_by_side(owner, 10)

    assert submit(run(make_subscriber())).status == 202


def test_an_account_that_is_closed_meanwhile_creates_no_task(owner):
    async def close_and_create() -> None:
        async with transaction() as session:
            await session.execute(
                update(User).where(User.id == owner).values(deleted_at=clock.now())
            )
        await TaskService(owner).create(LAMP, idempotency_key=None)

    with pytest.raises(DomainError) as refused:
        run(close_and_create())

    assert refused.value.code == "invalid_token"
    assert run(tasks_of(owner)) == 0


def test_me_shows_limits_and_usage(owner):
    submit(owner)

    shown = subscription_shown(owner)

    assert shown["plan"] == "free"
    assert shown["limits"] == asdict(PLANS[Plan.FREE])
    assert shown["usage"] == {"tasks": 1, "at_once": 1}


def test_me_shows_the_period_that_runs_before_anything_has_renewed_it(database):
    owner = run(make_subscriber())
    submit(owner)
    run(move_period(owner, -timedelta(days=4)))

    shown = subscription_shown(owner)

    assert datetime.fromisoformat(shown["period_start"]) < clock.now()
    assert datetime.fromisoformat(shown["period_end"]) > clock.now()
    assert shown["usage"]["tasks"] == 0
    assert len(run(subscriptions_of(owner))) == 1


def test_the_sweep_renews_the_periods_that_are_over_and_no_others(database):
    over, running = (
        run(make_subscriber(Plan.PRO, ends_in=-timedelta(days=70))),
        run(make_subscriber()),
    )

    async def sweep_twice() -> None:
        await asyncio.gather(renew_overdue(), renew_overdue())

    run(sweep_twice())

    past, live = run(subscriptions_of(over))
    assert (live.plan, live.ended_at) == (Plan.PRO, None)
    assert past.ended_at is not None
    assert live.period_start <= clock.now() < live.period_end
    assert len(run(subscriptions_of(running))) == 1


def test_renewals_keep_to_the_day_of_the_first_period(database):
    owner = run(make_subscriber())

    async def renew_each_month() -> list[tuple[int, int]]:
        async with transaction() as session:
            await session.execute(
                update(Subscription)
                .where(Subscription.user_id == owner)
                .values(period_start=noon(1, 31), period_end=noon(2, 28))
            )
        for now in (noon(3, 1), noon(4, 1), noon(7, 1)):  # the last of them two periods late
            async with transaction() as session:
                await renew(SubscriptionRepository(session, user_id=owner), now)
        return [
            (each.period_start.day, each.period_end.day) for each in await subscriptions_of(owner)
        ]

    assert run(renew_each_month()) == [(31, 28), (28, 31), (31, 30), (30, 31)]


def noon(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


def test_operations_change_a_plan_within_its_period(owner, small):
    create_side_by_side(owner, 10)

    changed = functions.ops.set_plan.handler({"user_id": str(owner), "plan": "pro"}, None)

    before, now = run(subscriptions_of(owner))
    assert (changed["user_id"], changed["plan"]) == (str(owner), "pro")
    assert changed["usage"]["tasks"] == 7
    assert now.period_end == before.period_end
    assert create_side_by_side(owner, 10) == {"made": 2, "quota_exceeded": 8}


def test_operations_find_a_user_by_address(owner):
    async def address() -> str:
        async with transaction(writing=False) as session:
            return (await session.get_one(User, owner)).email

    event = {"email": run(address()).upper(), "plan": "pro"}

    assert functions.ops.set_plan.handler(event, None)["user_id"] == str(owner)


def test_setting_the_same_plan_changes_nothing(owner):
    functions.ops.set_plan.handler({"user_id": str(owner), "plan": "free"}, None)

    assert len(run(subscriptions_of(owner))) == 1


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({}, "plan: Field required"),
        ({"plan": "pro"}, 'Name the user by "email" or by "user_id"'),
        ({"plan": "gold", "email": "demo@example.com"}, "plan: Input should be 'free' or 'pro'"),
        ({"plan": "pro", "email": "nobody"}, "email: "),
        ({"plan": "pro", "user_id": "7"}, "user_id: "),
        ({"plan": "pro", "email": "demo@example.com", "user_id": str(UUID(int=1))}, "one of the"),
        ({"plan": "pro", "email": "demo@example.com", "until": "may"}, "until: "),
        (["pro"], "dictionary"),
    ],
)
def test_an_event_that_does_not_name_a_user_and_a_plan_is_refused(backend, event, problem):
    with pytest.raises(Unprocessable, match=problem):
        functions.ops.set_plan.handler(event, None)


def test_a_user_who_does_not_exist_gets_no_plan(backend):
    with pytest.raises(UserNotFound):
        functions.ops.set_plan.handler({"email": "nobody@example.com", "plan": "pro"}, None)
