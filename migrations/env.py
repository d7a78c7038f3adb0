from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, Connection

import shared.models.auth_event
import shared.models.mail
import shared.models.one_time_token
import shared.models.rate_limit_counter
import shared.models.session
import shared.models.task
import shared.models.user
import shared.models.webhook  # noqa: F401 - the metadata knows what was imported
from shared import database
from shared.models.base import Base, UtcDateTime
from shared.models.stored_picture import StoredPictureJson
from shared.process.event_loop import run


def render_portably(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Revisions name SQLAlchemy's types only, so they do not change with the models' modules."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON | StoredPictureJson):
        return 'sa.JSON().with_variant(JSONB(), "postgresql")'
    return False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        compare_type=True,
        render_item=render_portably,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_online() -> None:
    async with database.engine().connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await database.engine().dispose()


run(migrate_online())
