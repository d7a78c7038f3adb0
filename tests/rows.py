"""A valid row for every table, as the database itself would take it."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

import shared.models.api_key
import shared.models.auth_event
import shared.models.mail
import shared.models.one_time_token
import shared.models.rate_limit_counter
import shared.models.session
import shared.models.task
import shared.models.user
import shared.models.webhook  # noqa: F401 - the metadata knows what was imported
from shared.models.base import Base

NOW = datetime(2026, 4, 21, 15, 8, 21, tzinfo=UTC)
SOON = NOW + timedelta(days=30)

Rows = dict[str, dict[str, Any]]


def tables() -> list[Table]:
    """All tables, each behind those it refers to."""
    return Base.metadata.sorted_tables


def rows_of_a_user() -> Rows:
    """One row for each table, all of one new user where they are of anybody."""
    user_id, token_id, task_id, endpoint_id = uuid4(), uuid4(), uuid4(), uuid4()
    address = f"{user_id.hex}@example.com"
    return {
        "users": {"id": user_id, "email": address, "email_canonical": address},
        "user_profiles": {"user_id": user_id},
        "subscriptions": {
            "id": uuid4(),
            "user_id": user_id,
            "period_start": NOW,
            "period_end": SOON,
        },
        "user_sessions": {
            "id": uuid4(),
            "user_id": user_id,
            "salt": secrets.token_bytes(32),
            "refresh_token_hash": secrets.token_bytes(32),
            "auth_time": NOW,
            "idle_expires_at": SOON,
            "absolute_expires_at": SOON,
        },
        "api_keys": {
            "id": uuid4(),
            "user_id": user_id,
            "made_by": uuid4(),
            "name": "A program",
            "token_hash": secrets.token_bytes(32),
            "hint": "x9_Q",
            "scopes": "tasks:read",
        },
        "one_time_tokens": {
            "id": token_id,
            "user_id": user_id,
            "purpose": "verify_email",
            "token_hash": secrets.token_bytes(32),
            "expires_at": SOON,
        },
        "outgoing_mails": {
            "id": uuid4(),
            "kind": "verify_email",
            "address": address,
            "token_id": token_id,
        },
        "mailbox_messages": {
            "id": uuid4(),
            "recipient": address,
            "subject": "Hello",
            "text": "Hello",
            "html": "<p>Hello</p>",
        },
        "auth_events": {
            "id": uuid4(),
            "kind": "login",
            "outcome": "success",
            "user_id": user_id,
        },
        "rate_limit_counters": {
            "bucket": secrets.token_bytes(32),
            "window_start": NOW,
            "expires_at": SOON,
        },
        "tasks": {
            "id": task_id,
            "user_id": user_id,
            "prompt": "a lamp",
            "parameters": {"width": 64},
            "queued_deadline": SOON,
            "run_timeout_seconds": 30.0,
        },
        "task_events": {"task_id": task_id, "sequence": 1, "payload": {"sequence": 1}},
        "outbox": {"id": uuid4(), "kind": "dispatch", "task_id": task_id, "sequence": 1},
        "idempotency_keys": {
            "user_id": user_id,
            "key": "k",
            "fingerprint": secrets.token_bytes(32),
            "task_id": task_id,
            "status_code": 202,
            "body": {"id": task_id.hex},
            "expires_at": SOON,
        },
        "webhook_secrets": {
            "id": uuid4(),
            "user_id": user_id,
            "salt": secrets.token_bytes(32),
        },
        "webhook_endpoints": {
            "id": endpoint_id,
            "user_id": user_id,
            "url": "https://receiver.example/hook",
        },
        "webhook_deliveries": {
            "id": uuid4(),
            "user_id": user_id,
            "endpoint_id": endpoint_id,
            "task_id": task_id,
            "event_type": "task.completed",
        },
    }


async def fill(connection: AsyncConnection) -> Rows:
    """Put a row into every table, and give what was put there."""
    rows = rows_of_a_user()
    for table in tables():
        await connection.execute(insert(table).values(**rows[table.name]))
    return rows
