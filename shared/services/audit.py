from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.auth_event import AuthEvent, AuthEventKind
from shared.security.pseudonyms import pseudonym

SUCCESS = "success"


@dataclass(slots=True)
class AuditTrail:
    """What is known so far about the one event that a request records; never a secret."""

    kind: AuthEventKind
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    outcome: str = SUCCESS
    user_id: UUID | None = None
    session_id: UUID | None = None
    subject: str | None = None

    def about(self, email: str) -> None:
        """Name the account by an e-mail address, whether or not it exists."""
        self.subject = pseudonym(email)

    def by(self, user_id: UUID, session_id: UUID | None = None) -> None:
        self.user_id = user_id
        self.session_id = session_id


async def record(session: AsyncSession, trail: AuditTrail) -> None:
    """Add the event to the history, in the caller's transaction."""
    session.add(
        AuthEvent(
            kind=trail.kind,
            outcome=trail.outcome,
            user_id=trail.user_id,
            session_id=trail.session_id,
            subject=trail.subject,
            ip=trail.ip,
            user_agent=trail.user_agent,
            request_id=trail.request_id,
        )
    )
    await session.flush()
