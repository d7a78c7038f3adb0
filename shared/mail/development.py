from shared.database import transaction
from shared.mail.port import Mail
from shared.models.mail import MailboxMessage
from shared.repositories.mailbox import MailboxRepository


class DevelopmentMailbox:
    """Keeps mails in the database, for a developer to read."""

    async def send(self, mail: Mail) -> None:
        async with transaction() as session:
            await MailboxRepository(session).add(
                MailboxMessage(
                    recipient=mail.recipient,
                    subject=mail.subject,
                    text=mail.text,
                    html=mail.html,
                )
            )


class NoMail:
    """Drops every mail, for an installation that needs none."""

    async def send(self, mail: Mail) -> None:
        pass
