import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends, Request

from shared.database import connection
from shared.errors import DomainError, TooManyRequests, Unavailable
from shared.models.auth_event import AuthEventKind
from shared.services import audit
from shared.services.audit import AuditTrail
from shared.web.authentication import request_client

logger = logging.getLogger(__name__)


def audited(kind: AuthEventKind) -> Any:
    """A route's dependency that records exactly one event for each request, whatever its outcome.
    Declare it first, so that it sees what the other dependencies refuse.

    A refusal by a rate limit, or because the database is away, is only logged: the history must not
    grow at an attacker's pace, nor need a database that is away.
    """

    async def trail_of(request: Request) -> AsyncIterator[AuditTrail]:
        client = request_client(request)
        trail = AuditTrail(
            kind, ip=client.ip, user_agent=client.user_agent, request_id=request.state.request_id
        )
        try:
            yield trail
        except (TooManyRequests, Unavailable) as error:
            logger.warning("Refused", extra={"kind": kind.value, "code": error.code})
            raise
        except DomainError as error:
            trail.outcome = error.code
            await _write(trail)
            raise
        await _write(trail)

    return Depends(trail_of, scope="function")


async def _write(trail: AuditTrail) -> None:
    async with connection(alone=True) as asked:
        await audit.record(asked, trail)
