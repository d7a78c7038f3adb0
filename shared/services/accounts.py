from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import transaction
from shared.errors import InvalidToken
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.users import UserRepository
from shared.schemas.user import AccountRead, ProfileRead, UserRead
from shared.services import subscriptions


async def get_account(session: AsyncSession, user_id: UUID) -> AccountRead:
    """A user's own view of the account.

    Raises:
        InvalidToken: the account was removed after the request was authenticated.
    """
    found = await UserRepository(session).get_account(user_id)
    if found is None:
        raise InvalidToken
    user, profile, subscription, at_once = found
    return AccountRead(
        user=UserRead.model_validate(user),
        profile=ProfileRead.model_validate(profile),
        subscription=await subscriptions.describe(
            SubscriptionRepository(session, user_id=user_id), subscription, at_once
        ),
    )


async def update_profile(user_id: UUID, changes: Mapping[str, str | None]) -> AccountRead:
    """Change the given members of the profile; raises as `get_account` does."""
    async with transaction() as session:
        await UserRepository(session).update_profile(user_id, changes)
        return await get_account(session, user_id)
