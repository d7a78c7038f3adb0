from shared import clock
from shared.database import transaction
from shared.errors import InvalidOrExpiredToken, TokenAlreadyUsed
from shared.models.one_time_token import TokenPurpose
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens

PURPOSE = TokenPurpose.VERIFY_EMAIL


async def verify(token: str) -> None:
    """Make the account of a verification token active, with the password chosen with the token.

    Nobody is signed in by this: whoever reads the mail need not be who chose the password.

    Raises:
        TokenAlreadyUsed: the token did its work before.
        InvalidOrExpiredToken: it is unknown, too old, or another one was used.
    """
    token_hash, now = one_time_tokens.fingerprint(token, PURPOSE), clock.now()
    async with transaction() as session:
        tokens, users = OneTimeTokenRepository(session), UserRepository(session)
        consumed = await tokens.consume(token_hash, PURPOSE, now=now)
        if consumed is None:
            used = await tokens.was_consumed(token_hash, PURPOSE)
            raise TokenAlreadyUsed if used else InvalidOrExpiredToken
        token_id, user_id, password_hash = consumed
        if password_hash is None or not await users.activate(user_id, password_hash, now=now):
            raise InvalidOrExpiredToken
        await tokens.delete_others(user_id, PURPOSE, kept=token_id)
