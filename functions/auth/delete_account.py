from typing import Annotated

from fastapi import Response

from shared.models.auth_event import AuthEventKind
from shared.schemas.account import Accepted
from shared.services import account_deletion
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep
from shared.web.token_delivery import take_back

app = create_app()


@app.delete("/api/v1/auth/me", status_code=202)
async def delete_account(
    trail: Annotated[AuditTrail, audited(AuthEventKind.ACCOUNT_DELETE)],
    user: UserDep,
    response: Response,
) -> Accepted:
    """Close the account now; what it owns is erased after the retention period."""
    trail.by(user.user_id, user.session_id)
    await account_deletion.delete_account(user.user_id, user.session_id)
    take_back(response)
    return Accepted()


handler = lambda_handler(app)
