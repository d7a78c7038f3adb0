from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import transaction


async def _session() -> AsyncIterator[AsyncSession]:
    async with transaction(writing=False) as session:
        yield session


# The scope ends the transaction before the answer is sent, so a failed commit becomes an error.
ReadingSessionDep = Annotated[AsyncSession, Depends(_session, scope="function")]
