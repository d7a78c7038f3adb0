from shared.schemas.api_key import ApiKeyList, ApiKeyRead
from shared.services import api_keys
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.get("/api/v1/auth/api-keys")
async def list_api_keys(user: UserDep) -> ApiKeyList:
    """The caller's keys that work, the newest first. None is shown."""
    return ApiKeyList(items=[ApiKeyRead.of(each) for each in await api_keys.of_user(user.user_id)])


handler = lambda_handler(app)
