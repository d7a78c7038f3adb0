import re
from urllib.parse import unquote

from shared.database import transaction
from shared.process.event_loop import run
from shared.repositories.mailbox import MailboxRepository
from shared.services.outgoing_mails import send_due


def letters(recipient: str) -> list[str]:
    """The mails in somebody's mailbox, the oldest first."""

    async def fetch() -> list[str]:
        for _ in range(20):  # each is a limited batch, and other tests' mails may be due too
            if not await send_due():
                break
        async with transaction(writing=False) as session:
            found = await MailboxRepository(session).list(recipient=recipient)
        return [each.text for each in reversed(found)]

    return run(fetch())


def token_in(letter: str) -> str:
    """The token of the link in a letter."""
    found = re.search(r"#[a-z-]+=(\S+)", letter)
    assert found is not None, letter
    return unquote(found[1])
