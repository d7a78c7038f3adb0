from uuid import UUID


def webhook_id(delivery_id: UUID) -> str:
    """The `webhook-id` of every attempt of a delivery."""
    return f"msg_{delivery_id.hex}"
