from shared import email_addresses
from shared.database import transaction
from shared.models.mail import MailKind
from shared.repositories.outgoing_mails import OutgoingMailRepository


async def promise_reset(email: str, asker: str) -> None:
    """Send a token for a new password to an address, if it has an account.

    This does the same for every address, so that its time reveals nothing: the sender of the mail
    looks for the account, and minds the limits of its mailbox.
    """
    async with transaction() as session:
        await OutgoingMailRepository(session).request(
            MailKind.RESET_PASSWORD, email_addresses.canonical(email), asker=asker
        )
