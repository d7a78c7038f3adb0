import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import func, select

from shared.database import transaction
from shared.errors import DomainError, InvalidRefreshToken
from shared.models.session import UserSession
from shared.models.user import User
from shared.process.event_loop import run
from shared.security import refresh_tokens
from shared.security.passwords import Verdict
from shared.services.refresh_rotation import Attempt, refresh
from shared.services.registration import Registration, register
from shared.services.sessions import IssuedTokens, LogoutScope, log_out
from shared.services.verification import verify
from tests.auth import EMAIL, PASSWORD, open_account, sign_in, sign_up

CONNECTIONS = 10


@pytest.fixture(autouse=True)
def many_connections(application: pytest.MonkeyPatch) -> None:
    application.setenv("DATABASE_POOL_SIZE", str(CONNECTIONS))


class QuickHasher:
    async def hash(self, password: str) -> str:
        return "hash"

    async def verify(self, password: str, stored: str | None) -> Verdict:
        return Verdict(correct=True)


def all_at_once(count: int, attempt: Callable[[], Awaitable[object]]) -> list[object]:
    async def gather() -> list[object]:
        return await asyncio.gather(*(attempt() for _ in range(count)), return_exceptions=True)

    return run(gather())


ASKER = "network 192.0.2.1"


def outcomes(results: list[object]) -> Counter[str]:
    return Counter(each.code if isinstance(each, DomainError) else "done" for each in results)


def session_of(refresh_token: str) -> UserSession:
    session_id: UUID = refresh_tokens.parse(refresh_token).session_id

    async def read() -> UserSession:
        async with transaction(writing=False) as session:
            return await session.get_one(UserSession, session_id)

    return run(read())


def test_only_one_of_many_sign_ups_with_one_address_succeeds():
    results = all_at_once(20, lambda: register(EMAIL, PASSWORD, QuickHasher(), ASKER))

    async def count() -> int | None:
        async with transaction(writing=False) as session:
            return await session.scalar(select(func.count()).select_from(User))

    assert outcomes(results) == {"done": 1, "email_taken": 19}
    assert sum(isinstance(each, Registration) for each in results) == 1
    assert run(count()) == 1


def test_a_token_used_by_many_at_once_works_once():
    token = sign_up().json["verification"]["token"]

    results = all_at_once(50, lambda: verify(token))

    assert outcomes(results) == {"done": 1, "token_already_used": 49}


def test_many_refreshes_at_once_advance_the_session_once_to_one_child():
    open_account()
    token = sign_in().json["refresh_token"]

    results = all_at_once(50, lambda: refresh(token, Attempt()))

    children = {each.refresh_token for each in results if isinstance(each, IssuedTokens)}
    assert len(children) == 1
    assert session_of(token).generation == 1
    assert set(outcomes(results)) <= {"done", "refresh_token_reused", "invalid_refresh_token"}


def test_no_token_survives_a_refresh_that_overlaps_a_logout():
    open_account()

    for _ in range(5):
        token = sign_in().json["refresh_token"]

        async def overlap(token: str = token) -> list[object]:
            attempts: list[Awaitable[object]] = [
                refresh(token, Attempt()),
                log_out([token], [], LogoutScope.LOCAL),
                refresh(token, Attempt()),
            ]
            return await asyncio.gather(*attempts, return_exceptions=True)

        results = run(overlap())

        assert session_of(token).revoked_at is not None
        for each in results:
            if isinstance(each, IssuedTokens):
                with pytest.raises(InvalidRefreshToken):
                    run(refresh(each.refresh_token, Attempt()))
