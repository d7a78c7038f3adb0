"""Receivers of webhooks on ports of their own, and the deliveries in the database."""

import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from shared.clients.webhook_client import WebhookClient
from shared.database import transaction
from shared.engine import transitions
from shared.models.base import database_now
from shared.models.task import Task
from shared.models.webhook import WebhookDelivery, WebhookEndpoint
from tests.providers import Asked
from tests.tasks import claim, lease_of, make_task


def client(timeout_seconds: float = 5) -> WebhookClient:
    """A sender that reaches receivers on this machine."""
    return WebhookClient(timeout_seconds=timeout_seconds, loopback=True)


async def ended_task(url: str, owner_id: UUID | None = None) -> Task:
    """A task with a webhook whose generator failed just now."""
    task = await claim(await make_task(owner_id, webhook_url=url))
    error = {"code": "x", "message": "x", "retryable": False}
    async with transaction() as session:
        ended = await transitions.fail(session, lease_of(task), error)
    assert ended is not None
    return ended


async def delivery_of(task: Task) -> WebhookDelivery:
    async with transaction(writing=False) as session:
        query = select(WebhookDelivery).where(WebhookDelivery.task_id == task.id)
        return (await session.scalars(query)).one()


async def endpoint_of(task: Task) -> WebhookEndpoint:
    async with transaction(writing=False) as session:
        query = select(WebhookEndpoint).where(WebhookEndpoint.user_id == task.user_id)
        return (await session.scalars(query.where(WebhookEndpoint.url == task.webhook_url))).one()


async def time_passes() -> None:
    """Let every pause and every sender's turn be over."""
    async with transaction() as session:
        await session.execute(update(WebhookDelivery).values(next_attempt_at=database_now(-1)))
        await session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.due_at.is_not(None))
            .values(due_at=database_now(-1), busy_until=database_now(-1))
        )


def received(asked: Asked) -> dict[str, Any]:
    document = json.loads(asked.body)
    assert isinstance(document, dict)
    return document


def is_signed(asked: Asked, secret: str) -> bool:
    """As the specification says, written down anew."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode()
    digest = hmac.new(key, signed + asked.body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}" in asked.headers["webhook-signature"].split()
