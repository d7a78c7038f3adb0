from typing import Any, Literal

from alembic import context
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import JSON, Connection

import shared.models.api_key
import shared.models.auth_event
import shared.models.mail
import shared.models.one_time_token
import shared.models.rate_limit_counter
import shared.models.session
import shared.models.task
import shared.models.user
import shared.models.webhook  # noqa: F401 - the metadata knows what was imported
from migrations import guards
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
    """Run all migrations that were asked for in one transaction."""
    steps: list[MigrationInfo] = []
    guards.prepare(connection)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        compare_type=True,
        render_item=render_portably,
        transactional_ddl=True,  # SQLite's driver begins nothing by itself: shared/database.py
        on_version_apply=lambda *, step, **_: steps.append(step),
    )
    try:
        with context.begin_transaction():
            guards.lock(connection)
            if not context.get_context().opts.get("purge"):  # `alembic stamp --purge` forgets them
                guards.refuse_other_branches(
                    context.script, context.get_context().get_current_heads()
                )
            before = guards.dangling(connection)
            context.run_migrations()
            guards.refuse_dangling(before, guards.dangling(connection))
    except Exception as error:
        error.add_note("The database is as it was before: nothing of this has been applied.")
        raise
    tell(steps)


def tell(steps: list[MigrationInfo]) -> None:
    """Say what was applied; of a new database, only where it stands."""
    if steps and steps[0].is_upgrade and not steps[0].down_revision_ids:
        context.config.print_stdout("Made the database, at revision %s.", steps[-1].up_revision_id)
        return
    for step in steps:
        revision = context.script.get_revision(f"{step.up_revision_id}")
        did = "Applied" if step.is_upgrade else "Took back"
        context.config.print_stdout("%s %s: %s", did, revision.revision, revision.doc)


async def migrate_online() -> None:
    engine = database.engine()
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


run(migrate_online())
