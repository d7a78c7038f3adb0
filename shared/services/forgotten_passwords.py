from shared import email_addresses
from shared.database import transaction
from shared.limits import policies, rate_limits
from shared.models.mail import MailKind
from shared.repositories.outgoing_mails import OutgoingMailRepository


async def promise_reset(email: str) -> None:
    """Send a token for a new password to an address, if it has an account.

    This does the same for every address, so that its time reveals nothing: the sender of the mail
    looks for the account. Nothing happens if the address has reached its limit.
    """
    if not await rate_limits.allows(policies.mail("reset", email)):
        return
    async with transaction() as session:
        await OutgoingMailRepository(session).add(
            MailKind.RESET_PASSWORD, email_addresses.canonical(email)
        )
