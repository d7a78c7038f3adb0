from fastapi import Request, Response

from shared.errors import AmbiguousCredentials, InvalidToken
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep
from shared.web.problem import domain_error

app = create_app()


@app.get("/api/v1/auth/authorize", status_code=204)
async def authorize(user: UserDep, response: Response) -> None:
    """For a gateway that asks who sends a request: 204 with X-User-Id, or 401.

    The gateway hands on the request's credentials, and in X-Original-Method its method, so that
    a foreign page's request is refused with 403.
    """
    response.headers["X-User-Id"] = str(user.user_id)


@app.exception_handler(AmbiguousCredentials)
async def refuse(request: Request, _: Exception) -> Response:
    """Gateways take any status but 401 and 403 for a fault of ours."""
    return await domain_error(request, InvalidToken())


handler = lambda_handler(app)
