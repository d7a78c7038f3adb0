from uuid import UUID

from shared.schemas.task import WsTicket
from shared.services.socket_tickets import issue_ticket
from shared.stream.tickets import TTL_SECONDS
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import ReaderDep

app = create_app()


@app.post("/api/v1/tasks/{task_id}/ws-ticket", status_code=201)
async def create_ws_ticket(task_id: UUID, user: ReaderDep) -> WsTicket:
    """A ticket that opens the task's WebSocket once, for clients that cannot send headers with
    it."""
    ticket = await issue_ticket(task_id, user.authority)
    return WsTicket.of(ticket, task_id, expires_in=TTL_SECONDS)


handler = lambda_handler(app)
