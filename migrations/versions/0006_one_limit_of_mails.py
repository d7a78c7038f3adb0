"""A mail says who asked for it; and a sign-up waits in its mail, for all addresses alike"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("outgoing_mails", sa.Column("asker", sa.String(length=64), nullable=True))
    op.add_column(
        "outgoing_mails", sa.Column("password_hash", sa.String(length=255), nullable=True)
    )
    op.create_index("ix_outgoing_mails_address", "outgoing_mails", ["address"])


def downgrade() -> None:
    # A sign-up that still waits cannot be told from another mail without its password.
    op.execute("DELETE FROM outgoing_mails WHERE password_hash IS NOT NULL")
    op.drop_index("ix_outgoing_mails_address", "outgoing_mails")
    op.drop_column("outgoing_mails", "password_hash")
    op.drop_column("outgoing_mails", "asker")
