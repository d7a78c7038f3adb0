from typing import Annotated

from fastapi import Header
from fastapi.responses import JSONResponse

from shared.schemas.task import task_url
from shared.services.tasks import ACCEPTED, Accepted

IdempotencyKeyHeader = Annotated[str | None, Header()]


def accepted_task(accepted: Accepted) -> JSONResponse:
    """202 with the new task; a repeated key gets the first answer again, unchanged."""
    headers = {"Location": task_url(accepted.body["id"])}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(accepted.body, ACCEPTED, headers)
