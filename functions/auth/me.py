from typing import Annotated

from fastapi import Depends

from shared.models.api_key_scope import Scope
from shared.repositories.users import ACCOUNT, Account
from shared.schemas.user import AccountRead
from shared.services import accounts
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import Asked, Asking

app = create_app()


@app.get("/api/v1/auth/me")
async def me(asked: Annotated[Asked, Depends(Asking(ACCOUNT, Scope.ACCOUNT_READ))]) -> AccountRead:
    return accounts.describe(Account(*asked.columns))


handler = lambda_handler(app)
