from uuid import UUID

from shared.errors import InvalidToken
from shared.repositories.users import UserRepository
from shared.schemas.user import AccountRead, ProfileRead, SubscriptionRead, UserRead


async def get_account(users: UserRepository, user_id: UUID) -> AccountRead:
    """A user's own view of the account.

    Raises:
        InvalidToken: the account was removed since the request was let in.
    """
    found = await users.get_account(user_id)
    if found is None:
        raise InvalidToken
    user, profile, subscription = found
    return AccountRead(
        user=UserRead.model_validate(user),
        profile=ProfileRead.model_validate(profile),
        subscription=SubscriptionRead.model_validate(subscription),
    )
