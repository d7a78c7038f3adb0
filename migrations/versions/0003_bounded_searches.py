"""Searches and deletions cost what they find, whatever the size of a table"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Nothing here works in a batch: SQLite would delete and copy the table, and with it what refers to
# it.
INDEXES: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("ix_idempotency_keys_task_id", "idempotency_keys", ["task_id"], None),
    ("ix_mailbox_messages_received_at", "mailbox_messages", ["received_at"], None),
    ("ix_one_time_tokens_expired", "one_time_tokens", ["purpose", "expires_at"], None),
    ("ix_one_time_tokens_used", "one_time_tokens", ["expires_at"], "consumed_at IS NOT NULL"),
    ("ix_outbox_done", "outbox", ["done_at"], "done_at IS NOT NULL"),
    ("ix_outbox_task_id", "outbox", ["task_id"], None),
    ("ix_outgoing_mails_created_at", "outgoing_mails", ["created_at"], None),
    ("ix_subscriptions_overdue", "subscriptions", ["period_end"], "ended_at IS NULL"),
    ("ix_subscriptions_past", "subscriptions", ["ended_at"], "ended_at IS NOT NULL"),
    ("ix_subscriptions_user_id", "subscriptions", ["user_id"], None),
    ("ix_tasks_deadline", "tasks", ["queued_deadline"], "status = 'queued'"),
    ("ix_tasks_retry_of", "tasks", ["retry_of"], None),
    ("ix_tasks_rung", "tasks", ["dispatched_at"], "status = 'queued'"),
    (
        "ix_tasks_with_history",
        "tasks",
        ["finished_at"],
        "history_pruned_at IS NULL AND finished_at IS NOT NULL",
    ),
    ("ix_user_sessions_ended", "user_sessions", ["revoked_at"], "revoked_at IS NOT NULL"),
    ("ix_user_sessions_idle_expires_at", "user_sessions", ["idle_expires_at"], None),
    (
        "ix_user_sessions_live",
        "user_sessions",
        ["user_id", "idle_expires_at"],
        "revoked_at IS NULL",
    ),
    ("ix_users_closed", "users", ["deleted_at"], "deleted_at IS NOT NULL"),
    ("ix_users_unconfirmed", "users", ["created_at"], "status = 'pending'"),
)


def upgrade() -> None:
    op.add_column("tasks", sa.Column("history_pruned_at", sa.DateTime(timezone=True)))
    for name, table, columns, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
    _index_owner_status("user_id", "status", "created_at", "id")


def downgrade() -> None:
    _index_owner_status("user_id", "status")
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    op.drop_column("tasks", "history_pruned_at")


def _index_owner_status(*columns: str) -> None:
    op.drop_index("ix_tasks_owner_status", "tasks")
    op.create_index("ix_tasks_owner_status", "tasks", list(columns))
