import time
from collections.abc import Container, Mapping, Sequence
from uuid import UUID

from shared.stream.connections import Connection
from shared.stream.endings import Ending
from shared.stream.reader import Reader, SessionState


async def endings(reader: Reader, live: Sequence[Connection]) -> dict[str, Ending]:
    """Why connections may not stay open, by their ids; those that may are left out.

    Raises:
        Unavailable: the database is away.
    """
    sessions = await reader.sessions({each.session_id for each in live if each.session_id})
    users = await reader.live_users({each.user_id for each in live if not each.session_id})
    found = {each.id: _ending(each, sessions, users) for each in live}
    return {id: ending for id, ending in found.items() if ending}


def _ending(
    connection: Connection, sessions: Mapping[UUID, SessionState], users: Container[UUID]
) -> Ending | None:
    if connection.session_id is None:  # on a trusted gateway's word, as long as the account lives
        return None if connection.user_id in users else Ending.SESSION_REVOKED
    state = sessions.get(connection.session_id)
    if state is None or not state.live or state.epoch != connection.epoch:
        return Ending.SESSION_REVOKED
    if connection.expires_at is not None and connection.expires_at <= time.time():
        return Ending.TOKEN_EXPIRED
    return None
