from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from shared import clock, email_addresses
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.task import Task
from shared.models.task_status import UNFINISHED
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus
from shared.repositories.one_time_tokens import unused
from shared.repositories.sign_ins import Wanted


class Account(NamedTuple):
    """An account with its profile and live subscription, when the first period of its subscriptions
    began, and how many of its tasks wait or run now."""

    id: UUID
    email: str
    status: UserStatus
    created_at: datetime
    display_name: str | None
    locale: str | None
    plan: Plan
    period_start: datetime
    period_end: datetime
    tasks_used: int
    first_start: datetime
    at_once: int


_past = aliased(Subscription)
_FIRST_START = (
    select(func.min(_past.period_start))
    .where(_past.user_id == User.id)
    .correlate(User)
    .scalar_subquery()
)
_AT_ONCE = (
    select(func.count())
    .select_from(Task)
    .where(Task.user_id == User.id, Task.status.in_(UNFINISHED))
    .correlate(User)
    .scalar_subquery()
)
# Read with the sign-in of whoever asks for their own account; or by itself.
ACCOUNT = Wanted(
    *(User.id, User.email, User.status, User.created_at),
    *(UserProfile.display_name, UserProfile.locale),
    *(Subscription.plan, Subscription.period_start, Subscription.period_end),
    *(Subscription.tasks_used, _FIRST_START, _AT_ONCE),
    joined=lambda query: query.join(UserProfile, UserProfile.user_id == User.id).join(
        Subscription, and_(Subscription.user_id == User.id, Subscription.ended_at.is_(None))
    ),
)


# What every sign-in asks: built once.
_FOR_LOGIN = select(
    User,
    select(OneTimeToken.password_hash)
    .where(
        OneTimeToken.user_id == User.id,
        OneTimeToken.purpose == TokenPurpose.VERIFY_EMAIL,
        OneTimeToken.consumed_at.is_(None),
    )
    .order_by(OneTimeToken.created_at.desc())
    .limit(1)
    .scalar_subquery(),
).where(User.email_canonical == bindparam("address"))
_LOCKED = select(User).where(User.id == bindparam("user")).with_for_update(key_share=True)


class _Reserved(Exception):
    """The address is kept for the account that moved away from it."""


class UserRepository:
    """Every query on accounts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user: User) -> bool:
        """Insert an account. False if its address is taken, even by a concurrent transaction, or
        reserved."""
        try:
            async with self._session.begin_nested():
                self._session.add(user)
                await self._session.flush()
                await self._refuse_reserved(user.email_canonical, owner_id=user.id)
        except (IntegrityError, _Reserved):
            return False
        return True

    async def add_belongings(self, profile: UserProfile, subscription: Subscription) -> None:
        self._session.add_all([profile, subscription])
        await self._session.flush()

    async def get(self, user_id: UUID) -> User | None:
        return await self._session.get(User, user_id)

    async def get_fresh(self, user_id: UUID) -> User:
        """The account read afresh, whatever this session read before."""
        found = await self._session.execute(
            select(User).where(User.id == user_id).execution_options(populate_existing=True)
        )
        return found.scalar_one()

    async def get_by_address(self, email_canonical: str) -> User | None:
        return await self._session.scalar(
            select(User).where(User.email_canonical == email_canonical)
        )

    async def lock(self, user_id: UUID) -> User | None:
        """The account read afresh, and locked until this transaction ends."""
        return await self._session.scalar(_LOCKED, {"user": user_id})

    async def lock_by_address(self, email_canonical: str) -> User | None:
        """The account that has the address once whoever changes it now is done; locked."""
        return await self._session.scalar(
            select(User)
            .where(User.email_canonical == email_canonical)
            .with_for_update(key_share=True)
        )

    async def get_pending(self, email_canonical: str) -> User | None:
        """The account of an address that is not verified yet."""
        return await self._session.scalar(
            select(User).where(
                User.email_canonical == email_canonical, User.status == UserStatus.PENDING
            )
        )

    async def get_for_login(self, email_canonical: str) -> Row[User, str | None] | None:
        """The account, and the newest password of one that is not verified yet."""
        found = await self._session.execute(_FOR_LOGIN, {"address": email_canonical})
        return found.one_or_none()

    async def activate(
        self, user_id: UUID, password_hash: str, *, address: str | None, now: datetime
    ) -> str | None:
        """Make a pending account active with this password, and this spelling of its address if it
        is known. Returns the address; None if the account is not pending."""
        return await self._session.scalar(
            update(User)
            .where(User.id == user_id, User.status == UserStatus.PENDING)
            .values(
                status=UserStatus.ACTIVE,
                password_hash=password_hash,
                activated_at=now,
                email=address or User.email,
            )
            .returning(User.email)
        )

    async def replace_password_hash(self, user_id: UUID, *, old: str, new: str) -> bool:
        """Store another hash; False if somebody else has replaced the old one meanwhile."""
        replaced = await self._session.scalar(
            update(User)
            .where(User.id == user_id, User.password_hash == old)
            .values(password_hash=new)
            .returning(User.id)
        )
        return replaced is not None

    async def set_password(self, user_id: UUID, password_hash: str, *, now: datetime) -> bool:
        """Give an account a password; make it active if it is pending, and reopen it if it was
        deleted. False if it is disabled."""
        given = await self._session.scalar(
            update(User)
            .where(
                User.id == user_id,
                User.status.in_((UserStatus.PENDING, UserStatus.ACTIVE)),
            )
            .values(
                password_hash=password_hash,
                deleted_at=None,
                status=UserStatus.ACTIVE,
                activated_at=func.coalesce(User.activated_at, now),
            )
            .returning(User.id)
        )
        return given is not None

    async def reopen_without_password(self, user_id: UUID) -> None:
        """Take an account back, even one that was deleted since; nobody's password opens it."""
        await self._session.execute(
            update(User).where(User.id == user_id).values(password_hash=None, deleted_at=None)
        )

    async def change_address(self, user_id: UUID, email: str) -> bool:
        """Move an account to an address that was just proven to be its owner's; False if another
        account has it, or it is reserved for one.

        A sign-up that was never confirmed proves nothing, so it gives way and is removed.
        """
        address = email_addresses.canonical(email)
        unconfirmed = delete(User).where(
            User.email_canonical == address, User.status == UserStatus.PENDING, User.id != user_id
        )
        moved = (
            update(User)
            .where(User.id == user_id)
            .values(email=email, email_canonical=address)
            .execution_options(synchronize_session=False)
        )
        try:
            async with self._session.begin_nested():
                await self._session.execute(
                    unconfirmed.execution_options(synchronize_session=False)
                )
                await self._session.execute(moved)
                await self._refuse_reserved(address, owner_id=user_id)
        except (IntegrityError, _Reserved):
            return False
        return True

    async def _refuse_reserved(self, address: str, *, owner_id: UUID) -> None:
        """Ask once the address is in the table: whoever leaves it and reserves it at the same
        moment has then either done both or not yet left it.

        Raises:
            _Reserved: another account moved away from it and may still come back.
        """
        reserved = await self._session.scalar(
            select(OneTimeToken.id)
            .where(
                OneTimeToken.reserved_address == address,
                OneTimeToken.user_id != owner_id,
                *unused(clock.now()),
            )
            .limit(1)
        )
        if reserved is not None:
            raise _Reserved

    async def update_profile(self, user_id: UUID, changes: Mapping[str, str | None]) -> None:
        if changes:
            await self._session.execute(
                update(UserProfile).where(UserProfile.user_id == user_id).values(**changes)
            )

    async def mark_deleted(self, user_id: UUID, *, now: datetime) -> User | None:
        """Close an account; None if it is closed already."""
        return await self._session.scalar(
            update(User)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .values(deleted_at=now)
            .returning(User)
        )

    async def raise_epoch(self, user_id: UUID) -> None:
        """Invalidate every access token issued so far."""
        await self._session.execute(
            update(User).where(User.id == user_id).values(auth_epoch=User.auth_epoch + 1)
        )
