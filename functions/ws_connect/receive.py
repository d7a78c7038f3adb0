import logging
from typing import Any

from redis.exceptions import RedisError

from shared.dependencies import one_request
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.stream.gateway import GatewayError
from shared.stream.incoming_messages import messages

logger = logging.getLogger(__name__)


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """$default: whatever a client sends."""
    connection_id = event["requestContext"]["connectionId"]
    try:
        with one_request():
            run(messages().receive(connection_id, event.get("body") or ""))
    except (GatewayError, RedisError, OSError) as error:
        logger.warning(
            "A message was not answered",
            extra={"connection_id": connection_id, "error": str(error)},
        )
    return {"statusCode": 200}
