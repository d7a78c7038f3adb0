import asyncio
import time
from collections.abc import Awaitable, Mapping

import pytest

from functions.health.health import handler
from shared.schemas.health import Health, Line, Workers
from shared.services.health import Check, RecentAnswer, examine_now
from tests.http import call


async def fine() -> None:
    pass


async def away() -> None:
    raise ConnectionError("secret-host:5432 refused")


async def attended() -> Line:
    return Line(workers="alive", oldest_waiting_seconds=40.0)


def asked_of(checks: Mapping[str, Check]) -> Awaitable[Health]:
    return examine_now(checks, attended)


@pytest.mark.parametrize(
    ("workers", "seconds", "status"),
    [
        ("none", 16.0, "degraded"),
        ("none", 14.0, "ok"),  # they start
        ("none", None, "ok"),
        ("alive", 3600.0, "ok"),  # others are before it
        ("on_demand", 3600.0, "ok"),
        ("unknown", 3600.0, "ok"),
    ],
)
async def test_a_task_that_nobody_will_paint_is_told(
    workers: Workers, seconds: float | None, status: str
):
    async def look() -> Line:
        return Line(workers=workers, oldest_waiting_seconds=seconds)

    assert (await examine_now({"database": fine}, look)).status == status


async def test_all_is_well_when_every_dependency_answers():
    health = await asked_of({"database": fine, "redis": fine})

    assert health.status == "ok"
    assert all(each.latency_ms is not None for each in health.dependencies.values())


async def test_without_redis_the_product_is_degraded():
    health = await asked_of({"database": fine, "redis": away})

    assert (health.status, health.dependencies["redis"].status) == ("degraded", "down")


async def test_without_its_database_the_product_is_down():
    health = await asked_of({"database": away, "redis": fine})

    assert health.status == "down"


async def test_dependencies_are_checked_concurrently():
    met = asyncio.Barrier(2)

    health = await asked_of({"database": met.wait, "redis": met.wait})

    assert health.status == "ok"


async def test_a_process_that_was_busy_holds_that_against_no_dependency(
    monkeypatch: pytest.MonkeyPatch,
):
    """A cold one makes its clients first, which takes some of them a second."""
    monkeypatch.setattr("shared.services.health.TIMEOUT_SECONDS", 0.2)

    async def answered_soon() -> None:
        for _ in range(3):  # such as a connection, and then a question
            await asyncio.sleep(0.01)

    async def busy() -> None:
        time.sleep(0.3)

    health = await asked_of({"database": answered_soon, "storage": busy})

    assert health.status == "ok"


async def test_an_answer_is_remembered_for_a_second():
    asked, time_now = list[float](), [0.0]

    async def look() -> Health:
        asked.append(time_now[0])
        return Health(status="ok", dependencies={}, tasks=await attended())

    answer = RecentAnswer(look, clock=lambda: time_now[0])
    for moment in (10.0, 10.5, 10.99, 11.0, 11.5, 12.1):
        time_now[0] = moment
        assert (await answer.get()).status == "ok"

    assert asked == [10.0, 11.0, 12.1]


def test_the_function_names_what_is_unavailable_and_only_logs_the_reasons(application):
    application.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    application.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    application.setenv("RESULTS_BUCKET", "pictures")
    application.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    answer = call(handler, "GET", "/api/health")

    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["dependencies"]["database"]["status"] == "ok"
    assert answer.json["dependencies"]["redis"] == {"status": "down", "latency_ms": None}
    assert answer.json["tasks"] == {"workers": "unknown", "oldest_waiting_seconds": 0.0}
    assert b"127.0.0.1" not in answer.body


def test_the_function_answers_503_without_a_database(application, tmp_path):
    application.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/nowhere/none.db")
    application.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    application.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    application.setenv("RESULTS_BUCKET", "pictures")
    application.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    answer = call(handler, "GET", "/api/health")

    assert (answer.status, answer.json["status"]) == (503, "down")
