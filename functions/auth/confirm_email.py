from typing import Annotated

from fastapi import Response

from shared.limits import policies, rate_limits
from shared.models.auth_event import AuthEventKind
from shared.schemas.account import EmailConfirmed, TokenRequest
from shared.services.audit import AuditTrail
from shared.services.email_change import confirm_change
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, OwnPageOnly
from shared.web.proven_mailbox import let_owner_in

app = create_app()


@app.post("/api/v1/auth/email/confirm", dependencies=[OwnPageOnly])
async def confirm_email(
    trail: Annotated[AuditTrail, audited(AuthEventKind.EMAIL_CONFIRM)],
    body: TokenRequest,
    client: ClientDep,
    response: Response,
) -> EmailConfirmed:
    """Moves the account to the token's address, or back to the one that undoes the change."""
    await rate_limits.hit(policies.verify(client.ip))
    confirmed = await confirm_change(body.token)
    trail.by(confirmed.user_id)
    await let_owner_in(response, confirmed.email, client)
    return EmailConfirmed(status="undone" if confirmed.undone else "changed")


handler = lambda_handler(app)
