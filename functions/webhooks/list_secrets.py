from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.schemas.webhook import SecretList, SecretRead
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import ReadingDep

app = create_app()


@app.get("/api/v1/webhooks/secrets")
async def list_secrets(reading: ReadingDep) -> SecretList:
    """Which secrets sign the caller's webhooks, the current one first. None is shown."""
    owned = WebhookSecretRepository(reading.session, owner_id=reading.user.user_id)
    live = await owned.live()
    return SecretList(items=[SecretRead.model_validate(each) for each in live])


handler = lambda_handler(app)
