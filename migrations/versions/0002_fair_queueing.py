"""Waiting tasks take turns, and no user runs more at once than the plan allows"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

WAITING = sa.text("status = 'queued'")
LONG_AGO = "1970-01-01 00:00:00.000000+00"


def upgrade() -> None:
    # Not in a batch: SQLite would delete and copy the table, and with it what refers to it.
    op.add_column(
        "tasks",
        sa.Column(
            "turn_at", sa.DateTime(timezone=True), nullable=False, server_default=_long_ago()
        ),
    )
    op.add_column(
        "tasks", sa.Column("runs_at_once", sa.Integer(), nullable=False, server_default="2")
    )
    op.drop_column("tasks", "priority")
    _index_waiting("turn_at")


def downgrade() -> None:
    _index_waiting("next_attempt_at")
    op.add_column("tasks", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.drop_column("tasks", "runs_at_once")
    op.drop_column("tasks", "turn_at")


def _long_ago() -> str:
    """What waits already comes first. SQLite keeps no zone."""
    return LONG_AGO if op.get_bind().dialect.name == "postgresql" else LONG_AGO.removesuffix("+00")


def _index_waiting(column: str) -> None:
    op.drop_index("ix_tasks_waiting", "tasks")
    op.create_index(
        "ix_tasks_waiting", "tasks", [column], sqlite_where=WAITING, postgresql_where=WAITING
    )
