"""Keys with which programs act for an account, as far as each key's scopes allow."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from shared import clock, settings
from shared.database import transaction
from shared.errors import InsufficientScope, InvalidToken, TooManyApiKeys
from shared.limits import policies, rate_limits
from shared.models.api_key import ApiKey
from shared.models.api_key_scope import Scope
from shared.models.mail import MailKind
from shared.repositories.api_keys import ApiKeyRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.sign_ins import KeyInUse
from shared.repositories.users import UserRepository
from shared.schemas.api_key import ApiKeyCreate, NewApiKey
from shared.security import api_keys
from shared.services.sessions import is_in_use
from shared.services.step_up import require_recent_password
from shared.stream import socket_review

# A key in use costs one statement more in each of these, not in each request.
NOTED_EACH = timedelta(minutes=1)


async def create(user_id: UUID, session_id: UUID | None, new: ApiKeyCreate) -> NewApiKey:
    """Make a key; only this answer shows it. The owner is told by mail.

    Raises:
        RateLimited: too many were made lately.
        ReauthenticationRequired: see `require_recent_password`.
        TooManyApiKeys: one must be revoked first.
        InvalidToken: the account was erased after the request was authenticated.
    """
    await rate_limits.hit(policies.api_keys(user_id))
    token, now = api_keys.create(), clock.now()
    async with transaction() as session:
        user = await UserRepository(session).lock(user_id)
        sign_in = await require_recent_password(session, session_id)
        if user is None:
            raise InvalidToken
        keys = ApiKeyRepository(session, owner_id=user_id)
        if await keys.count(now=now) >= settings.auth().maximum_api_keys:
            raise TooManyApiKeys
        days = new.expires_in_days
        made = await keys.add(
            ApiKey(
                id=uuid4(),
                user_id=user_id,
                made_by=sign_in.id,
                name=new.name,
                token_hash=api_keys.present(token).fingerprint,
                hint=api_keys.hint(token),
                scopes=" ".join(scope for scope in Scope if scope in new.scopes),
                expires_at=None if days is None else now + timedelta(days=days),
            )
        )
        await OutgoingMailRepository(session).add(MailKind.API_KEY_CREATED, user.email)
        return NewApiKey.of(made, key=token)


async def of_user(user_id: UUID) -> Sequence[ApiKey]:
    """The keys that work, the newest first."""
    async with transaction(writing=False) as session:
        return await ApiKeyRepository(session, owner_id=user_id).live(now=clock.now())


async def revoke(user_id: UUID, key_id: UUID) -> None:
    """End a key: its next request is refused, and its sockets close.

    Raises:
        ApiKeyNotFound: it is missing or somebody else's.
    """
    async with transaction() as session:
        await ApiKeyRepository(session, owner_id=user_id).revoke(key_id)
    await socket_review.request(user_id)


async def check(key: KeyInUse, needed: Scope | None) -> None:
    """Let a request pass for what needs this scope; None: for what no key may do. Notes that the
    key is used.

    Raises:
        InvalidToken: the key has expired, or its account is not in use.
        InsufficientScope: the key does not permit this.
    """
    now = clock.now()
    if (key.expires_at is not None and key.expires_at <= now) or not is_in_use(key):
        raise InvalidToken
    if needed is None or needed not in key.scopes.split(" "):
        raise InsufficientScope(needed)
    if key.last_used_at is None or key.last_used_at < now - NOTED_EACH:
        async with transaction() as session:
            keys = ApiKeyRepository(session, owner_id=key.user_id)
            await keys.note_use(key.id, now=now, unless_since=now - NOTED_EACH)
