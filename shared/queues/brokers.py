from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.redis_client import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

NAMESPACE = "dramatiq"

# A message of a killed worker comes back after about 15 s: every tenth command of a worker looks
# for those whose worker has been silent this long. The defaults take minutes to hours.
HEARTBEAT_TIMEOUT_MS = 15_000
MAINTENANCE_CHANCE_PER_MILLION = 100_000


def redis_broker(
    url: str,
    middleware: Sequence[Middleware] = (),
    make: Callable[..., RedisBroker] = RedisBroker,
) -> RedisBroker:
    """A broker over Redis; one that only sends needs no middleware."""
    client = Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return make(
        client=client,
        middleware=list(middleware),
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_CHANCE_PER_MILLION,
    )


def rabbitmq_broker(url: str, middleware: Sequence[Middleware] = ()) -> "RabbitmqBroker":
    """A broker over RabbitMQ that waits until the server has taken each message."""
    from dramatiq.brokers.rabbitmq import RabbitmqBroker  # its library is an extra

    return RabbitmqBroker(url=url, middleware=list(middleware), confirm_delivery=True)
