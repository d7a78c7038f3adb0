"""The doorbells: messages that carry a task's id at most. The database knows what is to be done."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast
from urllib.parse import urlsplit
from uuid import UUID

from dramatiq import Message

from shared import settings
from shared.errors import SettingsError
from shared.singletons import singleton

GENERATE = "generate"
DELIVER = "deliver"
SWEEP = "sweep"
TICK = "tick"

# SQS refuses a longer delay, and RabbitMQ takes back what a worker has held for half an hour, as
# Dramatiq's hold what is delayed. Whom a message wakes early finds that it is not yet time.
MAX_DELAY_SECONDS = 900

# By dotted name, so that only the chosen one's libraries are loaded. Each is called with the URL.
QUEUES = {
    "redis": "shared.queues.dramatiq_queue:over_redis",
    "rediss": "shared.queues.dramatiq_queue:over_redis",
    "unix": "shared.queues.dramatiq_queue:over_redis",
    "amqp": "shared.queues.dramatiq_queue:over_rabbitmq",
    "amqps": "shared.queues.dramatiq_queue:over_rabbitmq",
    "sqs": "shared.queues.sqs_queue:from_settings",
}


class QueueUnavailable(Exception):
    """The broker did not take a message. The sweep or the tick will make good for it."""


class Queue(Protocol):
    """Where doorbells ring. Every method raises QueueUnavailable when the broker is away.

    A message may come late, twice or never; whoever it wakes asks the database.
    """

    async def ring_generate(self, task_id: UUID, delay_seconds: float = 0) -> None: ...

    async def ring_deliver(self, task_id: UUID) -> None: ...

    async def send_sweep(self, delay_seconds: float = 0) -> None: ...

    async def send_tick(self, delay_seconds: float = 0, *, user_id: UUID | None = None) -> None:
        """Have all open sockets looked after; with `user_id`, only have those of one user closed
        that may not stay open."""

    async def check(self) -> None: ...


@singleton
def queue() -> Queue:
    """The process's queue, as the scheme of QUEUE_URL chooses it; it connects when it rings.

    Raises:
        SettingsError: no queue has this scheme.
    """
    url = settings.queue().url.get_secret_value()
    name = QUEUES.get(urlsplit(url).scheme)
    if name is None:  # the URL itself may hold a secret
        known = ", ".join(f"{scheme}://" for scheme in sorted(QUEUES))
        raise SettingsError(f"QUEUE_URL: no such queue; known are {known}")
    module, factory = name.split(":")
    return cast(Callable[[str], Queue], getattr(import_module(module), factory))(url)


def message(actor: str, **kwargs: str) -> Message[Any]:
    """A message for the actor of this name, on the queue of the same name."""
    return Message(queue_name=actor, actor_name=actor, args=(), kwargs=kwargs, options={})


def tick_message(user_id: UUID | None) -> Message[Any]:
    return message(TICK) if user_id is None else message(TICK, user_id=str(user_id))


def doorbell(actor: str, task_id: UUID) -> Message[Any]:
    return message(actor, task_id=str(task_id))
