from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.schemas.webhook import SecretList, SecretRead
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep
from shared.web.reading import ReadingSessionDep

app = create_app()


@app.get("/api/v1/webhooks/secrets")
async def list_secrets(user: UserDep, session: ReadingSessionDep) -> SecretList:
    """Which secrets sign the caller's webhooks, the current one first. None is shown."""
    owned = WebhookSecretRepository(session, owner_id=user.user_id)
    live = await owned.live()
    return SecretList(items=[SecretRead.model_validate(each) for each in live])


handler = lambda_handler(app)
