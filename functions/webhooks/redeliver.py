from uuid import UUID

from shared.schemas.webhook import DeliveryRead
from shared.services import webhooks
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.post("/api/v1/webhooks/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(delivery_id: UUID, user: UserDep) -> DeliveryRead:
    """Send a webhook again with the same id, also to a receiver that was disabled."""
    return await webhooks.send_again(user.user_id, delivery_id)


handler = lambda_handler(app)
