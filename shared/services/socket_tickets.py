from uuid import UUID

from redis.exceptions import RedisError

from shared.errors import Unavailable
from shared.repositories.tasks import OwnTasks
from shared.security.authority import Authority
from shared.stream.tickets import tickets


async def issue_ticket(task_id: UUID, authority: Authority) -> str:
    """A ticket that opens one socket on a task of the user.

    Raises:
        TaskNotFound: it is missing or somebody else's.
        Unavailable: Redis is away.
    """
    await OwnTasks(authority.user_id).one(task_id)
    try:
        return await tickets().issue(task_id, authority)
    except (RedisError, OSError) as error:
        raise Unavailable from error
