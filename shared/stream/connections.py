import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from shared import settings
from shared.clients.redis_client import client
from shared.singletons import singleton
from shared.stream.endings import Ending

DUE_KEY = "ws:hb"
PIPELINE_LENGTH = 500
NATIVE_TTL_SECONDS = 60  # at least; see `connections`

# Every script touches the keys of one hash tag, so that it also runs on a Redis cluster.
ADVANCE = """
local cursor = redis.call('HGET', KEYS[1], ARGV[1])
if not cursor or string.sub(cursor, 1, 6) == 'ended:' then return 0 end
if (tonumber(cursor) or -1) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return 1
"""
CLAIM_DUE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, connection in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], connection) end
return due
"""
ADMIT = """
local open, same = redis.call('SMEMBERS', KEYS[1]), 0
for _, socket in ipairs(open) do
  if string.sub(socket, 1, #ARGV[1]) == ARGV[1] then same = same + 1 end
end
if #open >= tonumber(ARGV[3]) or same >= tonumber(ARGV[4]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


def task_key(task_id: UUID) -> str:
    """The Redis key that exists as long as somebody watches the task."""
    return f"ws:task:{{{task_id}}}"


def user_key(user_id: UUID) -> str:
    return f"ws:user:{{{user_id}}}"


def connection_key(connection_id: str) -> str:
    return f"ws:conn:{{{connection_id}}}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How much a connection has been sent: the `sequence` of the last frame, None before the first.

    `first` is the task's sequence when it connected: a first frame that must be sent again begins
    there too, so that nothing is left out. `after` is the sequence that a resuming client says it
    has seen. With an `ending`, the connection is sent only that.
    """

    sequence: int | None = None
    after: int | None = None
    first: int = 1
    ending: Ending | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the first frame is due at once. A client that resumes may have seen all there
        is."""
        return self.sequence is None and self.after is None and self.ending is None

    def encode(self) -> str:
        if self.ending is not None:
            return f"ended:{self.ending}"
        if self.sequence is not None:
            return str(self.sequence)
        return f"new:{self.first}" if self.after is None else f"after:{self.after}"

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        word, _, detail = text.partition(":")
        match word:
            case "new":
                return cls(first=int(detail or 1))  # kept without one by earlier versions
            case "after":
                return cls(after=int(detail))
            case "ended":
                return cls(ending=Ending(detail))
            case _:
                return cls(sequence=int(word))


@dataclass(frozen=True, slots=True)
class Connection:
    """An open socket, and the authority it is open on.

    `session_id`, `epoch` and `expires_at` (seconds since 1970) are those of the access token;
    None where a trusted gateway named the user. `connected_at_ms` is the gateway's clock.
    A `native` one is held by a process of the application itself, which delivers to it and closes
    it; here it only counts as one of its user's.
    """

    id: str
    task_id: UUID
    user_id: UUID
    connected_at_ms: int
    session_id: UUID | None = None
    epoch: int | None = None
    expires_at: int | None = None
    native: bool = False

    def age_seconds(self) -> float:
        return time.time() - self.connected_at_ms / 1000


class Connections:
    """Who watches which task, and how much each has been sent. Stored only in Redis.

    A connection is a hash of its own, a field in the hash of its task (its cursor), and a member
    of the sorted set of due heartbeats. They are written one after another: what a crash leaves
    half-written is dropped by the next tick or by its time to live. The set of a user's
    connections also holds some that have closed, until they would count against a new one.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        ttl_seconds: int,
        heartbeat_seconds: float,
        native_ttl_seconds: int = NATIVE_TTL_SECONDS,
    ) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds
        self._native_ttl_seconds = native_ttl_seconds
        self._heartbeat_ms = int(heartbeat_seconds * 1000)
        self._advance = redis.register_script(ADVANCE)
        self._claim_due = redis.register_script(CLAIM_DUE)
        self._admit = redis.register_script(ADMIT)

    async def admit(self, connection: Connection, *, per_user: int, per_task: int) -> bool:
        """Count a connection as one of its user's before it is registered.

        False if the user already has `per_user` connections, or `per_task` on this task. The
        connection is written first, so that an admitted one is never taken for a closed one.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            self._remember(pipe, connection)
            await pipe.execute()
        keys = [user_key(connection.user_id)]
        args: list[str | int] = [
            *(str(connection.task_id), connection.id),
            *(per_user, per_task, self._ttl_seconds),
        ]
        if await self._admit(keys=keys, args=args):
            return True
        await self._uncount_closed(connection.user_id)
        if await self._admit(keys=keys, args=args):
            return True
        await self._redis.delete(connection_key(connection.id))
        return False

    async def register(self, connection: Connection, cursor: Cursor) -> None:
        """Remember a connection whose first frame is due."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self._remember(pipe, connection)
            pipe.zadd(DUE_KEY, {connection.id: _now_ms() + self._heartbeat_ms})
            self._set_cursor(pipe, connection, cursor)
            await pipe.execute()

    async def renew(self, held: Iterable[Connection]) -> None:
        """Go on counting native connections, which are forgotten soon after their process died."""
        every = list(held)
        for start in range(0, len(every), PIPELINE_LENGTH):
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in every[start : start + PIPELINE_LENGTH]:
                    pipe.expire(connection_key(each.id), self._seconds_kept(each))
                    pipe.expire(user_key(each.user_id), self._ttl_seconds)
                await pipe.execute()

    async def release(self, connection: Connection) -> None:
        """Count a native connection no more."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.delete(connection_key(connection.id))
            pipe.srem(user_key(connection.user_id), f"{connection.task_id} {connection.id}")
            await pipe.execute()

    async def end(self, connection: Connection, ending: Ending) -> None:
        """Let the next delivery tell a connection its ending, and nothing else."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self._set_cursor(pipe, connection, Cursor(ending=ending))
            await pipe.execute()

    async def deregister(self, connection_id: str, task_id: UUID | None = None) -> None:
        """Forget a connection; harmless when it is unknown.

        `task_id` is looked up if it is not given. Give it if you know it: the look-up fails once
        the connection's own hash has expired.
        """
        task_id = task_id or await self._task_of(connection_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            if task_id is not None:
                pipe.hdel(task_key(task_id), connection_id)
            pipe.zrem(DUE_KEY, connection_id)
            pipe.delete(connection_key(connection_id))
            await pipe.execute()

    async def find(self, connection_id: str) -> Connection | None:
        return (await self.find_all([connection_id]))[connection_id]

    async def find_all(self, connection_ids: Iterable[str]) -> dict[str, Connection | None]:
        """Each connection by its id; None for one that is not (or no longer) registered."""
        ids = list(connection_ids)
        found = await self._hashes([connection_key(connection_id) for connection_id in ids])
        return {
            connection_id: _from_hash(connection_id, fields) if fields else None
            for connection_id, fields in zip(ids, found, strict=True)
        }

    async def of_user(self, user_id: UUID) -> list[Connection]:
        """The user's registered connections."""
        found = await self.find_all(await self._counted(user_id))
        return [connection for connection in found.values() if connection is not None]

    async def ids(self) -> Sequence[str]:
        """Every registered connection."""
        members = cast(list[bytes], await self._redis.zrange(DUE_KEY, 0, -1))
        return [member.decode() for member in members]

    async def cursors(self, task_id: UUID) -> dict[str, Cursor]:
        """The cursor of each connection that watches the task."""
        return (await self.cursors_of_all([task_id]))[task_id]

    async def cursors_of_all(self, task_ids: Iterable[UUID]) -> dict[UUID, dict[str, Cursor]]:
        ids = list(task_ids)
        found = await self._hashes([task_key(task_id) for task_id in ids])
        return {
            task_id: {key.decode(): Cursor.decode(value.decode()) for key, value in fields.items()}
            for task_id, fields in zip(ids, found, strict=True)
        }

    async def advance(self, task_id: UUID, connection_id: str, sequence: int) -> bool:
        """Move a cursor forward, never back. False when the connection has left, or is to end."""
        moved = await self._advance(keys=[task_key(task_id)], args=[connection_id, sequence])
        return bool(moved)

    async def touch(self, connection_ids: Iterable[str]) -> None:
        """Something was sent: the next heartbeat is due a full interval from now."""
        due = _now_ms() + self._heartbeat_ms
        if members := dict.fromkeys(connection_ids, due):
            # Only members that exist: one deregistered meanwhile must not come back.
            await self._redis.zadd(DUE_KEY, members, xx=True)

    async def claim_due(self, *, within_seconds: float, limit: int) -> Sequence[str]:
        """Connections whose heartbeat is due. No other caller gets them, so this one must send it
        now."""
        now = _now_ms()
        claimed: list[bytes] = await self._claim_due(
            keys=[DUE_KEY],
            args=[now + int(within_seconds * 1000), now + self._heartbeat_ms, limit],
        )
        return [member.decode() for member in claimed]

    async def count_message(self, connection_id: str) -> int:
        """Count a message from a connection. Returns how many came within the second."""
        key = f"ws:in:{{{connection_id}}}"
        async with self._redis.pipeline() as pipe:
            pipe.set(key, 0, ex=1, nx=True)
            pipe.incr(key)
            count: int = (await pipe.execute())[-1]
        return count

    async def _hashes(self, keys: Sequence[str]) -> list[Mapping[bytes, bytes]]:
        """The fields of each hash, in the order of the keys; none for one that does not exist."""
        found: list[Mapping[bytes, bytes]] = []
        for start in range(0, len(keys), PIPELINE_LENGTH):
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in keys[start : start + PIPELINE_LENGTH]:
                    pipe.hgetall(key)
                found += await pipe.execute()
        return found

    def _remember(self, pipe: Pipeline, connection: Connection) -> None:
        key = connection_key(connection.id)
        pipe.hset(key, mapping=_to_hash(connection))
        pipe.expire(key, self._seconds_kept(connection))

    def _seconds_kept(self, connection: Connection) -> int:
        return self._native_ttl_seconds if connection.native else self._ttl_seconds

    def _set_cursor(self, pipe: Pipeline, connection: Connection, cursor: Cursor) -> None:
        key = task_key(connection.task_id)
        pipe.hset(key, connection.id, cursor.encode())
        # A socket lives two hours at most, so the newest one outlives the others.
        pipe.expire(key, self._ttl_seconds)

    async def _counted(self, user_id: UUID) -> dict[str, bytes]:
        """The members of a user's set by the connection each stands for."""
        members = cast(set[bytes], await self._redis.smembers(user_key(user_id)))
        return {member.decode().partition(" ")[2]: member for member in members}

    async def _uncount_closed(self, user_id: UUID) -> None:
        counted = await self._counted(user_id)
        open_ids = {connection.id for connection in await self.of_user(user_id)}
        closed = [member for id, member in counted.items() if id not in open_ids]
        if closed:
            await self._redis.srem(user_key(user_id), *closed)

    async def _task_of(self, connection_id: str) -> UUID | None:
        key = connection_key(connection_id)
        task_id = cast(bytes | None, await self._redis.hget(key, "task"))
        return UUID(task_id.decode()) if task_id else None


@singleton
def connections() -> Connections:
    configured = settings.websocket()
    return Connections(
        client(),
        ttl_seconds=configured.connection_ttl_seconds,
        heartbeat_seconds=configured.heartbeat_seconds,
        # Its process renews it at each tick, and may miss some.
        native_ttl_seconds=max(NATIVE_TTL_SECONDS, ceil(4 * configured.tick_seconds)),
    )


def _to_hash(connection: Connection) -> Mapping[Any, Any]:
    fields = {
        "task": str(connection.task_id),
        "user": str(connection.user_id),
        "connected_at": connection.connected_at_ms,
        "session": str(connection.session_id) if connection.session_id else None,
        "epoch": connection.epoch,
        "expires_at": connection.expires_at,
        "native": 1 if connection.native else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _from_hash(connection_id: str, fields: Mapping[bytes, bytes]) -> Connection:
    known = {name.decode(): value.decode() for name, value in fields.items()}
    return Connection(
        id=connection_id,
        task_id=UUID(known["task"]),
        user_id=UUID(known["user"]),
        connected_at_ms=int(known["connected_at"]),
        session_id=UUID(known["session"]) if "session" in known else None,
        epoch=int(known["epoch"]) if "epoch" in known else None,
        expires_at=int(known["expires_at"]) if "expires_at" in known else None,
        native="native" in known,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
