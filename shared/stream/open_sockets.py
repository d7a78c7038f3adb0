import logging
from uuid import UUID

logger = logging.getLogger(__name__)


async def review(user_id: UUID) -> None:
    """Have a user's open sockets looked at now: a session of theirs has ended, and committed.

    Never raises for a service that is away: the next tick closes them.
    """
    # Here, since most functions that know of sessions never end one: their start is too dear.
    from redis.exceptions import RedisError

    from shared.queues.doorbells import QueueUnavailable
    from shared.queues.registry import queue
    from shared.stream.connections import connections

    try:
        if await connections().of_user(user_id):
            await queue().send_tick(user_id=user_id)
    except (RedisError, QueueUnavailable, OSError) as error:
        logger.warning(
            "Sockets of an ended session stay open until the next tick",
            extra={"user_id": str(user_id), "error": str(error)},
        )
