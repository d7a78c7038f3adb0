import hashlib
import json
import secrets
from typing import cast
from uuid import UUID

from redis.asyncio import Redis

from shared.clients.redis_client import client
from shared.errors import InvalidTicket
from shared.security.authority import Authority
from shared.singletons import singleton

TTL_SECONDS = 30
TICKET_BYTES = 32


class Tickets:
    """Short-lived rights to open one socket on one task, for clients that cannot send headers.

    A ticket is part of a URL and may appear in a log, so it works once and expires soon. Redis
    stores only its fingerprint. Both methods raise RedisError or OSError when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, task_id: UUID, authority: Authority) -> str:
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        await self._redis.set(_key(ticket), _encode(task_id, authority), ex=TTL_SECONDS)
        return ticket

    async def redeem(self, ticket: str, task_id: UUID) -> Authority:
        """The authority that the ticket was issued on. This uses the ticket up, even if it is for
        another task.

        Raises:
            InvalidTicket: unknown, used, expired or for another task.
        """
        found = cast(bytes | None, await self._redis.getdel(_key(ticket)))
        if found is None:
            raise InvalidTicket
        good_for, authority = _decode(found)
        if good_for != task_id:
            raise InvalidTicket
        return authority


@singleton
def tickets() -> Tickets:
    return Tickets(client())


def _key(ticket: str) -> str:
    return f"ws:ticket:{{{hashlib.sha256(ticket.encode()).hexdigest()}}}"


def _encode(task_id: UUID, authority: Authority) -> str:
    session_id = authority.session_id
    return json.dumps(
        {
            "task": str(task_id),
            "user": str(authority.user_id),
            "session": str(session_id) if session_id else None,
            "epoch": authority.epoch,
            "expires_at": authority.expires_at,
        }
    )


def _decode(text: bytes) -> tuple[UUID, Authority]:
    known = json.loads(text)
    session_id = UUID(known["session"]) if known["session"] else None
    authority = Authority(UUID(known["user"]), session_id, known["epoch"], known["expires_at"])
    return UUID(known["task"]), authority
