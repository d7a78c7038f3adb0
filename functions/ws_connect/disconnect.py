import logging
from typing import Any

from redis.exceptions import RedisError

from shared.dependencies import one_request
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.stream.connections import connections

logger = logging.getLogger(__name__)


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """$disconnect: forget the socket. Where the gateway fails to call this, the tick does it."""
    connection_id = event["requestContext"]["connectionId"]
    try:
        with one_request():
            run(connections().deregister(connection_id))
    except (RedisError, OSError) as error:
        logger.warning(
            "A closed socket stays registered until the next tick",
            extra={"connection_id": connection_id, "error": str(error)},
        )
    return {"statusCode": 200}
