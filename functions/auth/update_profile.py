from typing import Annotated

from shared.models.auth_event import AuthEventKind
from shared.schemas.account import ProfileUpdate
from shared.schemas.user import AccountRead
from shared.services import accounts
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep

app = create_app()


@app.patch("/api/v1/auth/me")
async def update_profile(
    trail: Annotated[AuditTrail, audited(AuthEventKind.PROFILE_UPDATE)],
    user: UserDep,
    body: ProfileUpdate,
) -> AccountRead:
    """A missing member keeps its value; null clears it."""
    trail.by(user.user_id, user.session_id)
    changes = body.model_dump(exclude_unset=True)
    return await accounts.update_profile(user.user_id, changes)


handler = lambda_handler(app)
