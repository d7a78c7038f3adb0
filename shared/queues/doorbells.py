"""Doorbells: messages that carry an id at most. The database says what is to be done."""

from abc import ABC, abstractmethod
from typing import Any, Protocol
from uuid import UUID

from dramatiq import Message

GENERATE = "generate"
DELIVER = "deliver"
SWEEP = "sweep"
TICK = "tick"
WEBHOOKS = "webhooks"


class QueueUnavailable(Exception):
    """The broker did not take a message. The next sweep or tick sends another."""


class Queue(Protocol):
    """Sends doorbells. Every method raises QueueUnavailable when the broker is away.

    A message may come late, twice or never; the receiver asks the database.
    """

    async def ring_generate(self, task_id: UUID, delay_seconds: float = 0) -> None: ...

    async def ring_deliver(self, task_id: UUID) -> None: ...

    async def ring_webhooks(self) -> None:
        """Have the webhooks sent that are due."""

    async def send_sweep(self, delay_seconds: float = 0) -> None: ...

    async def send_tick(self, delay_seconds: float = 0, *, user_id: UUID | None = None) -> None:
        """Start the upkeep of all open sockets; with `user_id`, only close those sockets of one
        user that may not stay open."""

    async def check(self) -> None: ...


class MessageQueue(ABC):
    """A queue over one way to send a message."""

    async def ring_generate(self, task_id: UUID, delay_seconds: float = 0) -> None:
        await self.send(doorbell(GENERATE, task_id), delay_seconds)

    async def ring_deliver(self, task_id: UUID) -> None:
        await self.send(doorbell(DELIVER, task_id))

    async def ring_webhooks(self) -> None:
        await self.send(message(WEBHOOKS))

    async def send_sweep(self, delay_seconds: float = 0) -> None:
        await self.send(message(SWEEP), delay_seconds)

    async def send_tick(self, delay_seconds: float = 0, *, user_id: UUID | None = None) -> None:
        about = {} if user_id is None else {"user_id": str(user_id)}
        await self.send(message(TICK, **about), delay_seconds)

    @abstractmethod
    async def send(self, sent: Message[Any], delay_seconds: float = 0) -> None:
        """Put a message into the queue it names. It may arrive early: the receiver checks the time.

        Raises:
            QueueUnavailable: the broker did not take it, or did not confirm it in time.
        """


def message(actor: str, **kwargs: str) -> Message[Any]:
    """A message for the actor of this name, on the queue of the same name."""
    return Message(queue_name=actor, actor_name=actor, args=(), kwargs=kwargs, options={})


def doorbell(actor: str, task_id: UUID) -> Message[Any]:
    return message(actor, task_id=str(task_id))
