"""The functions of tasks, called as the gateway does for a user it trusts to name."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import functions.tasks.cancel
import functions.tasks.create
import functions.tasks.delete
import functions.tasks.get
import functions.tasks.list
import functions.tasks.result
import functions.tasks.retry
import functions.tasks.ws_ticket
from shared.clients import objects
from shared.database import transaction
from shared.engine import transitions
from shared.models.stored_picture import StoredPicture
from shared.process.event_loop import run
from tests.http import Answer, call
from tests.tasks import blank_png, claim, lease_of, read


def ask(handler: Any, method: str, path: str, user: UUID, **request: Any) -> Answer:
    headers = {"X-User-Id": str(user), **request.pop("headers", {})}
    return call(handler, method, path, headers=headers, source_ip="127.0.0.1", **request)


def submit(user: UUID, body: Any = None, **request: Any) -> Answer:
    body = {"prompt": "a lamp in the rain"} if body is None else body
    handler = functions.tasks.create.handler
    return ask(handler, "POST", "/api/v1/tasks", user, json_body=body, **request)


def get(user: UUID, task_id: object, **request: Any) -> Answer:
    return ask(functions.tasks.get.handler, "GET", f"/api/v1/tasks/{task_id}", user, **request)


def cancel(user: UUID, task_id: object) -> Answer:
    path = f"/api/v1/tasks/{task_id}/cancel"
    return ask(functions.tasks.cancel.handler, "POST", path, user)


def result(user: UUID, task_id: object) -> Answer:
    return ask(functions.tasks.result.handler, "GET", f"/api/v1/tasks/{task_id}/result", user)


def list_tasks(user: UUID, **query: str) -> Answer:
    return ask(functions.tasks.list.handler, "GET", "/api/v1/tasks", user, query=query)


def complete(task_id: UUID, thumbnails: Mapping[int, bytes] | None = None) -> None:
    """Finish the task in the database and the object store, as a worker would."""
    small = thumbnails or {}

    async def finish() -> None:
        key = f"{objects.folder(task_id)}1.png"
        task = await claim(await read(task_id))
        await objects.put(key, blank_png(), content_type="image/png")
        stored = StoredPicture(key, "image/png", 64, 64, len(blank_png()), tuple(small))
        for width, data in small.items():
            await objects.put(stored.thumbnail_key(width), data, content_type="image/webp")
        async with transaction() as session:
            await transitions.complete(session, lease_of(task), stored)

    run(finish())


def retry(user: UUID, task_id: object, **request: Any) -> Answer:
    path = f"/api/v1/tasks/{task_id}/retry"
    return ask(functions.tasks.retry.handler, "POST", path, user, **request)


def delete(user: UUID, task_id: object) -> Answer:
    return ask(functions.tasks.delete.handler, "DELETE", f"/api/v1/tasks/{task_id}", user)


def ws_ticket(user: UUID, task_id: object) -> Answer:
    path = f"/api/v1/tasks/{task_id}/ws-ticket"
    return ask(functions.tasks.ws_ticket.handler, "POST", path, user)
