import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from dramatiq import BrokerConnectionError, Middleware
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.clients.redis_client import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

NAMESPACE = "dramatiq"

# A message of a killed worker comes back after about 15 s: every tenth command of a worker looks
# for messages of workers that have been silent this long. With the defaults it takes minutes to
# hours.
HEARTBEAT_TIMEOUT_MS = 15_000
MAINTENANCE_CHANCE_PER_MILLION = 100_000

# In seconds. With a heartbeat of 10, the messages of a worker that hangs come back after 20 to 30
# s; with RabbitMQ's default of 60 it takes three minutes.
RABBITMQ_SETTINGS = {
    "heartbeat": 10,
    "socket_timeout": CONNECT_TIMEOUT_SECONDS,
    "stack_timeout": ANSWER_TIMEOUT_SECONDS,
    "blocked_connection_timeout": ANSWER_TIMEOUT_SECONDS,
}


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


def rabbitmq_broker(
    url: str,
    middleware: Sequence[Middleware] = (),
    make: Callable[..., "RabbitmqBroker"] | None = None,
) -> "RabbitmqBroker":
    """A broker over RabbitMQ that waits until the server has taken each message.

    Without waiting it would not notice that a kept connection was closed, and would not send again.
    """
    from dramatiq.brokers.rabbitmq import RabbitmqBroker  # only those who use it load its library

    # It also raises whatever it logs, and the code that catches the exception explains it.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    make = make or RabbitmqBroker
    return make(url=_with_settings(url), middleware=list(middleware), confirm_delivery=True)


def reach_rabbitmq(broker: "RabbitmqBroker") -> None:
    """Open a new connection: a kept one may have been closed since its last use.

    Raises:
        BrokerConnectionError: the server is away or refuses the connection.
    """
    from pika import BlockingConnection
    from pika.exceptions import AMQPError

    try:
        BlockingConnection(broker.parameters).close()
    except AMQPError as error:
        raise BrokerConnectionError(repr(error)) from error  # type: ignore[no-untyped-call]


def _with_settings(url: str) -> str:
    """The URL with our settings added, unless it has its own."""
    parts = urlsplit(url)
    query = {**RABBITMQ_SETTINGS, **dict(parse_qsl(parts.query))}
    return urlunsplit(parts._replace(query=urlencode(query)))
