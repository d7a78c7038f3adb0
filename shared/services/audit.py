from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import insert

from shared.database import Asked
from shared.models.auth_event import AuthEvent, AuthEventKind
from shared.models.base import table_of
from shared.security.pseudonyms import pseudonym

SUCCESS = "success"


_NEW = insert(table_of(AuthEvent))


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


async def record(asked: Asked, trail: AuditTrail) -> None:
    """Add the event to the history, in the caller's transaction."""
    await asked.execute(_NEW, asdict(trail))
