"""The database knows the words for why a session ended, as it knows those of every other column"""

from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NAME = "ck_user_sessions_revoke_reason"
WORDS = (
    *("logout", "new_login", "reuse", "evicted", "password_change", "password_reset"),
    *("email_undo", "account_deleted"),
)


def upgrade() -> None:
    # SQLite copies the table for this, which no other table refers to.
    with op.batch_alter_table("user_sessions") as batch:
        batch.create_check_constraint(op.f(NAME), f"revoke_reason IN {WORDS}")


def downgrade() -> None:
    with op.batch_alter_table("user_sessions") as batch:
        batch.drop_constraint(op.f(NAME), type_="check")
