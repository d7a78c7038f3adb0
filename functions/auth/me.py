from shared.schemas.user import AccountRead
from shared.services import accounts
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import ReadingDep

app = create_app()


@app.get("/api/v1/auth/me")
async def me(reading: ReadingDep) -> AccountRead:
    return await accounts.get_account(reading.session, reading.user.user_id)


handler = lambda_handler(app)
