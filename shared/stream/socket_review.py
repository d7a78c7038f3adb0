import logging
from uuid import UUID

from shared.stream.redis_keys import REVIEWS

logger = logging.getLogger(__name__)


async def request(user_id: UUID) -> None:
    """Ask for a review of a user's open sockets, after the commit that ended a session of theirs.

    A service that is away is logged, not raised: the next tick closes the sockets.
    """
    # Imported here, because most functions that use sessions never end one and should start fast.
    from redis.exceptions import RedisError

    from shared.clients.redis_client import client
    from shared.queues.doorbells import QueueUnavailable
    from shared.queues.registry import queue
    from shared.stream.connections import connections

    try:
        kinds = {each.native for each in await connections().of_user(user_id)}
        if True in kinds:
            await client().publish(REVIEWS, str(user_id))
        if False in kinds:
            await queue().send_tick(user_id=user_id)
    except (RedisError, QueueUnavailable, OSError) as error:
        logger.warning(
            "Sockets of an ended session stay open until the next tick",
            extra={"user_id": str(user_id), "error": str(error)},
        )
