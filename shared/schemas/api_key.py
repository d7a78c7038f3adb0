from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field

from shared.models.api_key import ApiKey
from shared.models.api_key_scope import Scope
from shared.schemas import texts
from shared.schemas.base import RequestBody, ResponseBody

MAX_DAYS = 366
DEFAULT_DAYS = 90  # a key that nobody thinks of any more ends by itself

Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(texts.check_line)]


class ApiKeyCreate(RequestBody):
    """What a key is called and allowed, and after how many days it ends; null: never."""

    name: Name
    scopes: Annotated[
        list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=len(Scope))
    ]
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = DEFAULT_DAYS


class ApiKeyRead(ResponseBody):
    """A key without the key itself, of which `hint` is the end. `last_used_at` is exact to a
    minute."""

    id: UUID
    name: str
    hint: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, row: ApiKey, **more: str) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            hint=row.hint,
            scopes=[Scope(word) for word in row.scopes.split(" ")],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            **more,
        )


class NewApiKey(ApiKeyRead):
    """A new key, shown this once."""

    key: str


class ApiKeyList(ResponseBody):
    items: list[ApiKeyRead]
