from shared.schemas.webhook import NewSecret, SecretRequest
from shared.services import webhooks
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.post("/api/v1/webhooks/secrets", status_code=201)
async def create_secret(user: UserDep, body: SecretRequest | None = None) -> NewSecret:
    """Put a new secret in the current one's place; only this answer shows it. Both sign for a
    day, or for `keep_previous_seconds`."""
    wanted = body or SecretRequest()
    return await webhooks.new_secret(
        user.user_id, keep_previous_seconds=wanted.keep_previous_seconds
    )


handler = lambda_handler(app)
