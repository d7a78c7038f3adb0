"""API keys let programs act for an account"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008_api_keys"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

EVENTS = (
    *("register", "verify", "verification_resend", "login", "refresh", "logout"),
    *("session_revoke", "reauthenticate", "password_change", "password_forgot"),
    *("password_reset", "email_change", "email_confirm", "profile_update", "account_delete"),
)
NEW_EVENTS = ("api_key_create", "api_key_revoke")
MAILS = (
    *("verify_email", "resend_verification", "already_registered", "reset_password"),
    *("password_changed", "confirm_email_change", "email_changed", "account_deleted"),
    "session_reused",
)
NEW_MAIL = "api_key_created"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hint", sa.String(length=4), nullable=False),
        sa.Column("scopes", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_keys_token_hash")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"])
    op.create_index(op.f("ix_api_keys_expires_at"), "api_keys", ["expires_at"])
    _allow("auth_events", (*EVENTS, *NEW_EVENTS))
    _allow("outgoing_mails", (*MAILS, NEW_MAIL))


def downgrade() -> None:
    op.execute("DELETE FROM outgoing_mails WHERE kind = 'api_key_created'")
    op.execute("DELETE FROM auth_events WHERE kind IN ('api_key_create', 'api_key_revoke')")
    _allow("outgoing_mails", MAILS)
    _allow("auth_events", EVENTS)
    op.drop_table("api_keys")


def _allow(table: str, words: Sequence[str]) -> None:
    """SQLite copies the table for this, which no other table refers to."""
    name = op.f(f"ck_{table}_kind")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"kind IN {tuple(words)}")
