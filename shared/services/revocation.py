"""What each event of an account ends. `docs/auth.md` shows this table; tests compare the two, and
both with what happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock
from shared.models.one_time_token import TokenPurpose
from shared.models.session import RevokeReason
from shared.repositories.api_keys import ApiKeyRepository
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.sessions import SessionRepository
from shared.repositories.users import UserRepository


class AccountEvent(StrEnum):
    VERIFIED = "the address is verified"
    PASSWORD_CHANGED = "the password is changed"  # noqa: S105 - an event, no password
    PASSWORD_RESET = "the password is reset"  # noqa: S105
    RESTORED = "a deleted account is restored by a reset"
    ADDRESS_CHANGED = "the address changes"
    CHANGE_UNDONE = "a change of address is undone"
    SIGNED_OUT_EVERYWHERE = "logout with `scope=global`"
    SIGN_IN_ENDED = "another sign-in is ended, or its refresh token is reused"
    DELETED = "the account is deleted"


@dataclass(frozen=True, slots=True)
class Ends:
    """The unused links that die, and why all sign-ins end (None: they go on).

    API keys end where sign-ins do: whoever had one may have made some. One that ends by itself
    takes along the keys that it made.
    """

    links: frozenset[TokenPurpose]
    sign_ins: RevokeReason | None = None


# A link to undo a change of address is not among them: it is the owner's last resort, and whoever
# took the account must have no means to end it. Undoing an earlier change does: see `email_change`.
LINKS_OF_POWER = frozenset(
    {TokenPurpose.VERIFY_EMAIL, TokenPurpose.RESET_PASSWORD, TokenPurpose.CHANGE_EMAIL}
)
ENDS: Mapping[AccountEvent, Ends] = {
    AccountEvent.VERIFIED: Ends(frozenset({TokenPurpose.VERIFY_EMAIL})),
    AccountEvent.PASSWORD_CHANGED: Ends(LINKS_OF_POWER, RevokeReason.PASSWORD_CHANGE),
    AccountEvent.PASSWORD_RESET: Ends(LINKS_OF_POWER, RevokeReason.PASSWORD_RESET),
    AccountEvent.RESTORED: Ends(LINKS_OF_POWER, RevokeReason.PASSWORD_RESET),
    AccountEvent.ADDRESS_CHANGED: Ends(LINKS_OF_POWER),
    AccountEvent.CHANGE_UNDONE: Ends(LINKS_OF_POWER, RevokeReason.EMAIL_UNDO),
    AccountEvent.SIGNED_OUT_EVERYWHERE: Ends(LINKS_OF_POWER, RevokeReason.LOGOUT),
    AccountEvent.SIGN_IN_ENDED: Ends(frozenset({TokenPurpose.CHANGE_EMAIL})),
    AccountEvent.DELETED: Ends(LINKS_OF_POWER, RevokeReason.ACCOUNT_DELETED),
}


async def revoke(session: AsyncSession, user_id: UUID, event: AccountEvent) -> None:
    """End whatever this event ends, in the event's own transaction.

    If sign-ins end, every access token issued so far becomes invalid, too: `issue_tokens` makes new
    ones from a user read after this. The account is locked first, as by whoever adds a link, so
    that no link is added at the same moment and survives.
    """
    users, ends = UserRepository(session), ENDS[event]
    await users.lock(user_id)
    if ends.sign_ins is not None:
        await users.raise_epoch(user_id)
        await SessionRepository(session).revoke_all(user_id, ends.sign_ins, now=clock.now())
        await ApiKeyRepository(session, owner_id=user_id).revoke_all()
    await OneTimeTokenRepository(session).delete_all(user_id, ends.links)
