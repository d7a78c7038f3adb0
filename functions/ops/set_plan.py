"""Puts a user on a plan: `lampwork invoke OpsSetPlan -e event.json`."""

from typing import Any

from shared import email_addresses
from shared.database import transaction
from shared.errors import UserNotFound
from shared.models.user import User
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.users import UserRepository
from shared.schemas.plan_change import PlanChange
from shared.services import subscriptions


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give the user's subscription as it is from now on.

    Raises:
        Unprocessable: the event is not a user's id or address with the name of a plan.
        UserNotFound: nobody has this id or address.
    """
    return run(set_plan(PlanChange.read(event)))


async def set_plan(change: PlanChange) -> dict[str, Any]:
    async with transaction() as session:
        user = await _find(UserRepository(session), change)
        owned = SubscriptionRepository(session, user_id=user.id)
        await owned.lock_owner()
        subscription = await subscriptions.change_plan(owned, change.plan)
        at_once = await owned.tasks_at_once()
        described = subscriptions.describe(
            subscription, first_start=await owned.first_start(), at_once=at_once
        )
    return {"user_id": str(user.id), **described.model_dump(mode="json")}


async def _find(users: UserRepository, change: PlanChange) -> User:
    if change.user_id is not None:
        user = await users.get(change.user_id)
    else:
        user = await users.get_by_address(email_addresses.canonical(change.email or ""))
    if user is None:
        raise UserNotFound
    return user
