from fastapi import Request, Response

from shared.errors import AmbiguousCredentials, InvalidToken
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep
from shared.web.problem import domain_error

app = create_app()


@app.get("/api/v1/auth/authorize", status_code=204)
async def authorize(user: UserDep, response: Response) -> None:
    """Tell a gateway who sends a request: 204 with X-User-Id, or 401.

    The gateway passes on the credentials of the request, and its method in X-Original-Method; the
    request of a foreign page gets 403.
    """
    response.headers["X-User-Id"] = str(user.user_id)


@app.exception_handler(AmbiguousCredentials)
async def refuse(request: Request, _: Exception) -> Response:
    """Gateways treat any status other than 401 and 403 as a server error."""
    return await domain_error(request, InvalidToken())


handler = lambda_handler(app)
