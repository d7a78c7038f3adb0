from shared.schemas.user import AccountRead
from shared.services import accounts
from shared.web.api import ReadingSessionDep, create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.get("/api/v1/auth/me")
async def me(user: UserDep, session: ReadingSessionDep) -> AccountRead:
    return await accounts.get_account(session, user.user_id)


handler = lambda_handler(app)
