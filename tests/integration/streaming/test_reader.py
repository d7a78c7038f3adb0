from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from shared import settings
from shared.errors import SettingsError, Unavailable
from shared.models.user import UserStatus
from shared.security import api_keys
from shared.singletons import forget_singletons
from shared.stream.reader import Reader, TaskHead, reader
from shared.stream.readers.postgresql import PostgresqlDatabase
from shared.stream.readers.sqlite import SqliteDatabase
from tests.watchers import Story


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, database_copy: Path, monkeypatch) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{database_copy}"
    url: str = request.getfixturevalue("migrated_postgresql")
    monkeypatch.setenv("DATABASE_URL", url)
    forget_singletons()
    return url


@pytest.fixture
async def story(url: str) -> AsyncIterator[Story]:
    engine = create_async_engine(url)
    yield Story(engine)
    await engine.dispose()


@pytest.fixture
async def reads(url: str) -> AsyncIterator[Reader]:
    reader = Reader((SqliteDatabase if url.startswith("sqlite") else PostgresqlDatabase)(url))
    yield reader
    await reader.close()


async def test_it_reads_the_owner_of_a_task_and_its_newest_sequence(story: Story, reads: Reader):
    user = await story.user()
    task = await story.task(user)

    assert await reads.task(task) == TaskHead(user, 1)
    await story.progress(task)
    assert await reads.task(task) == TaskHead(user, 2)
    assert await reads.task(uuid4()) is None


async def test_it_reads_the_newest_event(story: Story, reads: Reader):
    task, other = await story.task(sequence=2), await story.task()
    await story.complete(task)

    event = await reads.latest(task)
    newest = await reads.newest([task, other, uuid4()])

    assert event is not None
    assert (event.sequence, event.terminal, event.payload["task_id"]) == (3, True, str(task))
    assert event.payload["prompt"] == "a lighthouse 💡"
    assert {id: event.sequence for id, event in newest.items()} == {task: 3, other: 1}
    assert await reads.latest(uuid4()) is None


async def test_it_reads_the_events_after_a_sequence(story: Story, reads: Reader):
    task = await story.task(sequence=5)

    events = await reads.events_after(task, 2, 2)

    assert [event.sequence for event in events] == [3, 4]


async def test_it_reads_more_tasks_than_one_statement_takes(story: Story, reads: Reader):
    task = await story.task()

    newest = await reads.newest([*(uuid4() for _ in range(1200)), task])

    assert list(newest) == [task]


async def test_a_session_lives_until_it_is_revoked(story: Story, reads: Reader):
    user = await story.user(auth_epoch=3)
    session = await story.session(user)
    before = await reads.session(session)
    await story.revoke(session)
    after = await reads.session(session)

    assert before is not None
    assert after is not None
    assert (before.user_id, before.live, before.epoch) == (user, True, 3)
    assert after.live is False
    assert await reads.session(uuid4()) is None


@pytest.mark.parametrize(
    "columns", [{"status": UserStatus.DISABLED}, {"deleted_at": datetime.now(UTC)}]
)
async def test_a_session_of_a_closed_account_does_not_live(story: Story, reads: Reader, columns):
    user = await story.user(**columns)
    state = await reads.session(await story.session(user))

    assert state is not None
    assert state.live is False
    assert await reads.live_users([user]) == set()


async def test_a_key_lives_until_it_is_revoked_and_says_how_far_it_reaches(
    story: Story, reads: Reader
):
    user = await story.user(auth_epoch=3)
    ends = datetime(2126, 4, 21, 15, 8, 21, 500_000, tzinfo=UTC)
    token = api_keys.present(await story.key(user, "tasks:read account:read", expires_at=ends))
    endless = api_keys.present(await story.key(user))

    key, other = await reads.key(token.fingerprint), await reads.key(endless.fingerprint)

    assert key is not None
    assert other is not None
    assert (key.user_id, key.epoch, key.expires_at) == (user, 3, ends)
    assert key.scopes == {"tasks:read", "account:read"}
    assert other.expires_at is None
    state = await reads.session(key.id)
    assert state is not None
    assert (state.user_id, state.live, state.epoch) == (user, True, 3)
    await story.revoke_keys(user)
    assert await reads.key(token.fingerprint) is None
    assert await reads.session(key.id) is None


@pytest.mark.parametrize(
    "columns", [{"status": UserStatus.DISABLED}, {"deleted_at": datetime.now(UTC)}]
)
async def test_a_key_of_a_closed_account_does_not_live(story: Story, reads: Reader, columns):
    token = api_keys.present(await story.key(await story.user(**columns)))

    assert await reads.key(token.fingerprint) is None


async def test_it_reads_which_users_are_live(story: Story, reads: Reader):
    user, deleted = await story.user(), await story.user(deleted_at=datetime.now(UTC))

    assert await reads.live_users([user, deleted, uuid4()]) == {user}


async def test_a_missing_database_file_is_reported_as_unavailable_and_not_created(tmp_path: Path):
    reads = Reader(SqliteDatabase(f"sqlite+aiosqlite:///{tmp_path}/none.db"))

    with pytest.raises(Unavailable):
        await reads.task(uuid4())

    assert not (tmp_path / "none.db").exists()
    await reads.close()


async def test_an_unreachable_postgresql_is_reported_as_unavailable(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/none")
    forget_singletons()
    reads = Reader(PostgresqlDatabase(settings.database().url.get_secret_value()))

    with pytest.raises(Unavailable):
        await reads.task(uuid4())

    await reads.close()


async def test_a_connection_that_died_is_replaced(migrated_postgresql: str, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", migrated_postgresql)
    forget_singletons()
    reads = Reader(PostgresqlDatabase(migrated_postgresql))
    await reads.task(uuid4())
    killer = await asyncpg.connect(migrated_postgresql.replace("+asyncpg", ""))
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND query LIKE 'SELECT user_id FROM tasks%'"
    )
    await killer.close()

    assert await reads.task(uuid4()) is None
    await reads.close()


def test_an_unknown_database_is_named(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://root:secret@localhost/x")
    forget_singletons()

    with pytest.raises(SettingsError) as caught:
        reader()

    assert "secret" not in str(caught.value)
