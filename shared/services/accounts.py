from collections.abc import Mapping
from uuid import UUID

from shared.database import transaction
from shared.errors import InvalidToken
from shared.repositories.users import ACCOUNT, Account, UserRepository
from shared.schemas.user import AccountRead, ProfileRead, UserRead
from shared.services import subscriptions


def describe(account: Account) -> AccountRead:
    """A user's own view of the account."""
    return AccountRead(
        user=UserRead(
            id=account.id,
            email=account.email,
            status=account.status,
            created_at=account.created_at,
        ),
        profile=ProfileRead(display_name=account.display_name, locale=account.locale),
        subscription=subscriptions.describe(
            account, first_start=account.first_start, at_once=account.at_once
        ),
    )


async def update_profile(user_id: UUID, changes: Mapping[str, str | None]) -> AccountRead:
    """Change the given members of the profile.

    Raises:
        InvalidToken: the account was removed after the request was authenticated.
    """
    async with transaction() as session:
        await UserRepository(session).update_profile(user_id, changes)
    found = await ACCOUNT.of_user(user_id, {})
    if found is None:
        raise InvalidToken
    return describe(Account(*found[1]))
