"""The promise to tell a task's webhook how the task ended, and the doorbell for its sender."""

import logging
from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, Table, case
from sqlalchemy import insert as standard_insert
from sqlalchemy.dialects import postgresql, sqlite

from shared import database
from shared.database import Asked
from shared.models.base import database_now, table_of
from shared.models.task import Task
from shared.models.webhook import WebhookDelivery, WebhookEndpoint
from shared.queues.doorbells import QueueUnavailable
from shared.queues.registry import queue

logger = logging.getLogger(__name__)

# SQLAlchemy has no upsert that works with all databases.
INSERT: Mapping[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}
ENDPOINTS = table_of(WebhookEndpoint)
NEW_DELIVERY = standard_insert(table_of(WebhookDelivery))


async def promise(asked: Asked, task: Task) -> None:
    """Write the delivery, in the transaction that ends the task, if it has a webhook."""
    if task.webhook_url is None or not task.status.terminal:
        return
    insert = INSERT[database.engine().dialect.name]
    endpoint_id = await asked.scalar(
        insert(ENDPOINTS)
        .values(user_id=task.user_id, url=task.webhook_url, due_at=database_now())
        .on_conflict_do_update(
            index_elements=[ENDPOINTS.c.user_id, ENDPOINTS.c.url],
            set_={"due_at": due_now(), "used_at": database_now()},
        )
        .returning(ENDPOINTS.c.id)
    )
    delivery = {
        "user_id": task.user_id,
        "endpoint_id": endpoint_id,
        "task_id": task.id,
        "event_type": f"task.{task.status.value}",
    }
    await asked.execute(NEW_DELIVERY, delivery)


def due_now() -> ColumnElement[object]:
    """When an endpoint that has something new to send is due: at the end of its sender's turn or
    of its pause, or at once. One that is due already keeps its place in line."""
    return case(
        (WebhookEndpoint.busy_until > database_now(), WebhookEndpoint.busy_until),
        (WebhookEndpoint.due_at < database_now(), WebhookEndpoint.due_at),
        else_=database_now(),
    )


async def ring(task: Task) -> None:
    """Ring for the sender of a task that may have ended, after its commit."""
    if task.webhook_url is not None and task.status.terminal:
        await ring_for_delivery(task.id)


async def ring_for_delivery(task_id: UUID) -> None:
    """Ring for a sender. A failure is only logged: the delivery is in the database, and the sweep
    rings for it."""
    try:
        await queue().ring_webhooks()
    except QueueUnavailable as error:
        logger.warning(
            "A webhook's sender was not rung for",
            extra={"task_id": str(task_id), "error": str(error)},
        )
