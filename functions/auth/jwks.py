from fastapi import Response

from shared.schemas.jwks import PublicKey, PublicKeySet
from shared.security.keys import keys
from shared.web.api import create_app, lambda_handler

app = create_app()


@app.get("/.well-known/jwks.json")
async def jwks(response: Response) -> PublicKeySet:
    """The public keys with which others verify access tokens: those in use, and the next one."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return PublicKeySet(keys=[PublicKey(kid=key.kid, x=key.x) for key in keys().signing.published])


handler = lambda_handler(app)
