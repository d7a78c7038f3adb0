"""Accounts that are signed in, written to the database straight: signing up would take a minute."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from shared import clock
from shared.database import transaction
from shared.models.stored_picture import StoredPicture
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus
from shared.security.passwords import password_hasher
from shared.services.sessions import Client, issue_tokens, new_session

PASSWORD = "correct horse battery staple"
PARAMETERS = {"width": 64, "height": 64, "style": "painting", "seed": 1}


@dataclass(frozen=True)
class Account:
    id: UUID
    email: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def make_accounts(number: int, plan: Plan) -> list[Account]:
    """Accounts with the same password, each signed in once."""
    hashed = await password_hasher().hash(PASSWORD)
    return [await _account(plan, hashed) for _ in range(number)]


async def _account(plan: Plan, hashed: str) -> Account:
    email, now = f"{uuid4().hex}@example.com", clock.now()
    async with transaction() as session:
        user = User(
            email=email,
            email_canonical=email,
            password_hash=hashed,
            status=UserStatus.ACTIVE,
            activated_at=now,
        )
        session.add(user)
        await session.flush()
        end = now + timedelta(days=30)
        session.add(UserProfile(user_id=user.id))
        session.add(Subscription(user_id=user.id, plan=plan, period_start=now, period_end=end))
        signed_in = new_session(user, Client(ip=None, user_agent=None), remember=True)
        session.add(signed_in)
        await session.flush()
        return Account(user.id, email, issue_tokens(signed_in, user).access_token)


async def make_finished_tasks(owner: UUID, number: int) -> list[UUID]:
    """Tasks that ended with a picture, as the list of their owner shows them."""
    tasks = [_finished(owner) for _ in range(number)]
    async with transaction() as session:
        session.add_all(tasks)
    return [each.id for each in tasks]


def _finished(owner: UUID) -> Task:
    now, task_id = clock.now(), uuid4()
    return Task(
        id=task_id,
        user_id=owner,
        status=TaskStatus.COMPLETED,
        sequence=3,
        published_sequence=3,
        attempt=1,
        prompt="a lamp",
        parameters=PARAMETERS,
        progress=1.0,
        result=StoredPicture(f"{task_id}/1.png", "image/png", width=64, height=64, bytes=1),
        runs_at_once=1,
        run_timeout_seconds=30,
        queued_deadline=now + timedelta(hours=1),
        finished_at=now,
    )
