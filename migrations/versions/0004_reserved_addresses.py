"""An address that an account has left is kept for it while the change can be undone"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared import email_addresses

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

RESERVED = sa.text("reserved_address IS NOT NULL")
TOKENS = sa.table(
    "one_time_tokens",
    sa.column("id", sa.Uuid()),
    sa.column("purpose", sa.String()),
    sa.column("email", sa.String()),
    sa.column("consumed_at", sa.DateTime()),
    sa.column("reserved_address", sa.String()),
)


def upgrade() -> None:
    # Not in a batch: SQLite would delete and copy the table, and with it what refers to it.
    op.add_column(
        "one_time_tokens", sa.Column("reserved_address", sa.String(length=254), nullable=True)
    )
    op.create_index(
        "ix_one_time_tokens_reserved_address",
        "one_time_tokens",
        ["reserved_address"],
        sqlite_where=RESERVED,
        postgresql_where=RESERVED,
    )
    _reserve_for_changes_that_can_be_undone()


def downgrade() -> None:
    op.drop_index("ix_one_time_tokens_reserved_address", "one_time_tokens")
    op.drop_column("one_time_tokens", "reserved_address")


def _reserve_for_changes_that_can_be_undone() -> None:
    """Few rows: they live for a week."""
    connection = op.get_bind()
    undoing = sa.select(TOKENS.c.id, TOKENS.c.email).where(
        TOKENS.c.purpose == "undo_email_change",
        TOKENS.c.consumed_at.is_(None),
        TOKENS.c.email.is_not(None),
    )
    for token_id, email in connection.execute(undoing).all():
        connection.execute(
            sa.update(TOKENS)
            .where(TOKENS.c.id == token_id)
            .values(reserved_address=email_addresses.canonical(email))
        )
