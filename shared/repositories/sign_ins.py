"""Whether a request may pass, asked in one statement along with what it is for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select

from shared.database import rows
from shared.models.api_key import ApiKey
from shared.models.session import UserSession
from shared.models.user import User, UserStatus

Query = Select[*tuple[Any, ...]]


class SignIn(NamedTuple):
    """What of a session and its account decides whether a request may pass."""

    user_id: UUID
    confirmed_generation: int
    revoked_at: datetime | None
    idle_expires_at: datetime
    absolute_expires_at: datetime
    status: UserStatus
    auth_epoch: int
    deleted_at: datetime | None


class KeyInUse(NamedTuple):
    """What of an API key and its account decides so."""

    id: UUID
    user_id: UUID
    scopes: str
    last_used_at: datetime | None
    expires_at: datetime | None
    status: UserStatus
    auth_epoch: int
    deleted_at: datetime | None


class Standing(NamedTuple):
    """What of an account decides so where a gateway has named the user."""

    status: UserStatus
    deleted_at: datetime | None


_SESSION_COLUMNS = (
    UserSession.user_id,
    UserSession.confirmed_generation,
    UserSession.revoked_at,
    UserSession.idle_expires_at,
    UserSession.absolute_expires_at,
)
_KEY_COLUMNS = (
    ApiKey.id,
    ApiKey.user_id,
    ApiKey.scopes,
    ApiKey.last_used_at,
    ApiKey.expires_at,
)


class Wanted:
    """Columns that a request reads of its user's rows, if it may pass.

    `joined` adds the tables that they are of to a statement that has the user's row already. It
    must neither add rows to the result nor take the only one away, which says who asks.
    """

    def __init__(self, *columns: Any, joined: Callable[[Query], Query] = lambda query: query):
        of_session = select(*_SESSION_COLUMNS, User.status, User.auth_epoch, User.deleted_at)
        self.by_session = joined(
            of_session.add_columns(*columns)
            .select_from(UserSession)
            .join(User, User.id == UserSession.user_id)
            .where(UserSession.id == bindparam("asking_session"))
        )
        of_key = select(*_KEY_COLUMNS, User.status, User.auth_epoch, User.deleted_at)
        self.by_key = joined(
            of_key.add_columns(*columns)
            .select_from(ApiKey)
            .join(User, User.id == ApiKey.user_id)
            .where(ApiKey.token_hash == bindparam("asking_key"))
        )
        self.by_user = joined(
            select(User.status, User.deleted_at, *columns)
            .select_from(User)
            .where(User.id == bindparam("asking_user"))
        )

    async def of_session(
        self, session_id: UUID, parameters: Mapping[str, Any]
    ) -> tuple[SignIn, tuple[Any, ...]] | None:
        """A session's sign-in and the columns; None if there is no such session."""
        row = await _only(self.by_session, {**parameters, "asking_session": session_id})
        size = len(SignIn._fields)
        return None if row is None else (SignIn(*row[:size]), tuple(row[size:]))

    async def of_key(
        self, fingerprint: bytes, parameters: Mapping[str, Any]
    ) -> tuple[KeyInUse, tuple[Any, ...]] | None:
        """An API key and the columns; None if there is no such key."""
        row = await _only(self.by_key, {**parameters, "asking_key": fingerprint})
        size = len(KeyInUse._fields)
        return None if row is None else (KeyInUse(*row[:size]), tuple(row[size:]))

    async def of_user(
        self, user_id: UUID, parameters: Mapping[str, Any]
    ) -> tuple[Standing, tuple[Any, ...]] | None:
        """A user's standing and the columns; None if there is no such user."""
        row = await _only(self.by_user, {**parameters, "asking_user": user_id})
        size = len(Standing._fields)
        return None if row is None else (Standing(*row[:size]), tuple(row[size:]))


NOTHING = Wanted()


async def _only(query: Query, parameters: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
    found = await rows(query, parameters)
    return found[0] if found else None
