from typing import Annotated

from fastapi import Query, Response

from shared.errors import BadRequest
from shared.limits import policies, rate_limits
from shared.models.auth_event import AuthEventKind
from shared.schemas.auth import Token, VerifyRequest, VerifyResponse
from shared.services import verification
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, OwnPageOnly
from shared.web.proven_mailbox import let_owner_in

app = create_app()


@app.post("/api/v1/auth/verify", dependencies=[OwnPageOnly])
async def verify(
    trail: Annotated[AuditTrail, audited(AuthEventKind.VERIFY)],
    client: ClientDep,
    response: Response,
    body: VerifyRequest | None = None,
    token: Annotated[Token | None, Query()] = None,
) -> VerifyResponse:
    await rate_limits.hit(policies.verify(client.ip))
    given = {each for each in (token, body.token if body else None) if each is not None}
    if len(given) != 1:
        raise BadRequest("Give one token: as ?token= or in a JSON body.")
    proven = await verification.verify(given.pop())
    trail.by(proven.user_id)
    await let_owner_in(response, proven.email, client)
    return VerifyResponse()


handler = lambda_handler(app)
