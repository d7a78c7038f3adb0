from uuid import UUID

from shared import settings
from shared.database import transaction
from shared.engine import webhooks as engine
from shared.errors import InvalidToken
from shared.limits import policies, rate_limits
from shared.repositories.subscriptions import SubscriptionRepository
from shared.repositories.webhook_deliveries import WebhookDeliveryRepository
from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.schemas.webhook import DeliveryRead, NewSecret
from shared.security import webhook_signatures


async def new_secret(user_id: UUID, *, keep_previous_seconds: int | None) -> NewSecret:
    """Make a secret that signs from now on. The one before it signs too for this long, or for as
    long as the settings say.

    Raises:
        InvalidToken: the account was erased after the request was authenticated.
    """
    if keep_previous_seconds is None:
        keep_previous_seconds = settings.webhooks().secret_overlap_seconds
    async with transaction() as session:
        if await SubscriptionRepository(session, user_id=user_id).lock_owner() is None:
            raise InvalidToken
        secrets = WebhookSecretRepository(session, owner_id=user_id)
        made = await secrets.rotate(overlap_seconds=keep_previous_seconds)
    return NewSecret.of(made, webhook_signatures.secret(user_id, made.salt))


async def send_again(user_id: UUID, delivery_id: UUID) -> DeliveryRead:
    """Send a webhook again with its old id, however its delivery ended, and its endpoint again
    whatever comes.

    Raises:
        DeliveryNotFound: it is missing or somebody else's.
        RateLimited: the receiver would be flooded.
    """
    await rate_limits.hit(policies.redelivery(user_id))
    async with transaction() as session:
        deliveries = WebhookDeliveryRepository(session, owner_id=user_id)
        delivery, endpoint = await deliveries.send_again(delivery_id)
    await engine.ring_for_delivery(delivery.task_id)
    return DeliveryRead.of(delivery, endpoint)
