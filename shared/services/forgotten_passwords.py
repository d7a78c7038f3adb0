from shared import email_addresses
from shared.database import transaction
from shared.limits import allowances, rate_limits
from shared.models.mail import MailKind
from shared.repositories.outgoing_mails import OutgoingMailRepository


async def promise_reset(email: str) -> None:
    """Have a token for a new password sent to an address, if it has an account.

    The same happens here for every address: who sends the mail looks whose it is. Nothing
    happens where an address was sent too many.
    """
    if not await rate_limits.allows(allowances.mail("reset", email)):
        return
    async with transaction() as session:
        await OutgoingMailRepository(session).add(
            MailKind.RESET_PASSWORD, email_addresses.canonical(email)
        )
