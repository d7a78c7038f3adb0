from typing import Annotated
from uuid import UUID

from fastapi import Query

from shared.models.webhook import DeliveryStatus
from shared.repositories.tasks import Cursor
from shared.repositories.webhook_deliveries import WebhookDeliveryRepository
from shared.schemas.webhook import DeliveryList, DeliveryRead
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep
from shared.web.reading import ReadingSessionDep

app = create_app()


@app.get("/api/v1/webhooks/deliveries")
async def list_deliveries(
    user: UserDep,
    session: ReadingSessionDep,
    status: DeliveryStatus | None = None,
    task_id: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeliveryList:
    """What became of the caller's webhooks, newest first."""
    owned = WebhookDeliveryRepository(session, owner_id=user.user_id)
    page = await owned.page(
        status=status,
        task_id=task_id,
        after=None if cursor is None else Cursor.decode(cursor),
        limit=limit,
    )
    return DeliveryList(
        items=[DeliveryRead.of(delivery, endpoint) for delivery, endpoint in page.deliveries],
        next_cursor=page.next_cursor.encode() if page.next_cursor else None,
    )


handler = lambda_handler(app)
