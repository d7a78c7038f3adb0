from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import InvalidOrExpiredToken, TokenAlreadyUsed
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import User

MOST_RESERVED = 10


class OneTimeTokenRepository:
    """Every query on tokens that work once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: OneTimeToken) -> None:
        self._session.add(token)
        await self._session.flush()

    async def consume(
        self, token_hash: bytes, purpose: TokenPurpose, *, now: datetime
    ) -> OneTimeToken:
        """Use a token. This is one statement, so that only one of many concurrent attempts
        succeeds.

        The owner's row is locked first, so that uses of one account's tokens happen one after
        another and cannot deadlock.

        Raises:
            TokenAlreadyUsed: it was used before.
            InvalidOrExpiredToken: it is unknown or too old.
        """
        await self._session.execute(
            select(User.id)
            .join(OneTimeToken, OneTimeToken.user_id == User.id)
            .where(OneTimeToken.token_hash == token_hash)
            .with_for_update(of=User, key_share=True)
        )
        consumed: OneTimeToken | None = await self._session.scalar(
            update(OneTimeToken)
            .where(*_alive(token_hash, purpose, now))
            .values(consumed_at=now)
            .returning(OneTimeToken)
        )
        if consumed is None:
            await self._refuse(token_hash, purpose)
        return consumed

    async def find_owner(self, token_hash: bytes, purpose: TokenPurpose, *, now: datetime) -> User:
        """The owner of a token that would work now; raises as `consume` does."""
        owner = await self._session.scalar(
            select(User)
            .join(OneTimeToken, OneTimeToken.user_id == User.id)
            .where(*_alive(token_hash, purpose, now))
        )
        if owner is None:
            await self._refuse(token_hash, purpose)
        return owner

    async def _refuse(self, token_hash: bytes, purpose: TokenPurpose) -> NoReturn:
        used = await self._session.scalar(
            select(OneTimeToken.id).where(
                OneTimeToken.token_hash == token_hash,
                OneTimeToken.purpose == purpose,
                OneTimeToken.consumed_at.is_not(None),
            )
        )
        raise TokenAlreadyUsed if used is not None else InvalidOrExpiredToken

    async def get(self, token_id: UUID) -> OneTimeToken | None:
        return await self._session.get(OneTimeToken, token_id)

    async def lock(self, token_id: UUID) -> OneTimeToken | None:
        """The token, with its owner locked until this transaction ends: what ends tokens locks the
        owner too, so a copy that is added now does not outlive its original."""
        await self._session.execute(
            select(User.id)
            .join(OneTimeToken, OneTimeToken.user_id == User.id)
            .where(OneTimeToken.id == token_id)
            .with_for_update(of=User, key_share=True)
        )
        # Afresh: this transaction may have read it before it waited for whoever ended it.
        return await self._session.get(OneTimeToken, token_id, populate_existing=True)

    async def pending_passwords(self, user_id: UUID) -> Sequence[str]:
        """The password hashes of a pending account's sign-ups, newest first."""
        chosen = await self._session.execute(
            select(OneTimeToken.password_hash, func.max(OneTimeToken.created_at).label("chosen_at"))
            .where(
                OneTimeToken.user_id == user_id,
                OneTimeToken.purpose == TokenPurpose.VERIFY_EMAIL,
                OneTimeToken.consumed_at.is_(None),
                OneTimeToken.password_hash.is_not(None),
            )
            .group_by(OneTimeToken.password_hash)
            .order_by(text("chosen_at DESC"))
        )
        return [row.password_hash for row in chosen]

    async def delete_all(self, user_id: UUID, purposes: Collection[TokenPurpose]) -> None:
        """Remove a user's unused tokens of these purposes.

        Used ones are kept for a while, so that they are not taken for unknown ones.
        """
        await self._session.execute(
            delete(OneTimeToken).where(
                OneTimeToken.user_id == user_id,
                OneTimeToken.consumed_at.is_(None),
                OneTimeToken.purpose.in_(purposes),
            )
        )

    async def delete_later(self, token: OneTimeToken) -> None:
        """Remove the user's tokens of this purpose that are newer than this one."""
        await self._session.execute(
            delete(OneTimeToken).where(
                OneTimeToken.user_id == token.user_id,
                OneTimeToken.purpose == token.purpose,
                OneTimeToken.created_at > token.created_at,
            )
        )

    async def delete_copies(self, token: OneTimeToken) -> None:
        """Remove the user's other tokens that undo a move away from the same address."""
        await self._session.execute(
            delete(OneTimeToken).where(
                OneTimeToken.user_id == token.user_id,
                OneTimeToken.purpose == token.purpose,
                OneTimeToken.id != token.id,
                OneTimeToken.reserved_address == token.reserved_address,
            )
        )

    async def find_reservation(self, address: str, *, now: datetime) -> OneTimeToken | None:
        """A token that still undoes a move away from this address, in its canonical form."""
        return await self._session.scalar(
            select(OneTimeToken)
            .where(OneTimeToken.reserved_address == address, *unused(now))
            .order_by(OneTimeToken.created_at)
            .limit(1)
        )

    async def reserved_addresses(self, user_id: UUID, *, now: datetime) -> Sequence[str]:
        """The addresses that the account has left and may still come back to, in their canonical
        form: the one left first first, and not more than a few."""
        found = await self._session.scalars(
            select(OneTimeToken.reserved_address)
            .where(
                OneTimeToken.user_id == user_id,
                OneTimeToken.reserved_address.is_not(None),
                *unused(now),
            )
            .group_by(OneTimeToken.reserved_address)
            .order_by(func.min(OneTimeToken.created_at))
            .limit(MOST_RESERVED)
        )
        return [address for address in found if address is not None]


def _alive(
    token_hash: bytes, purpose: TokenPurpose, now: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (
        OneTimeToken.token_hash == token_hash,
        OneTimeToken.purpose == purpose,
        *unused(now),
    )


def unused(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The conditions of a token that still works."""
    return OneTimeToken.consumed_at.is_(None), OneTimeToken.expires_at > now
