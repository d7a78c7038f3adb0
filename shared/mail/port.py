from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person. Neither header can hold a line break, so none can be smuggled in."""

    recipient: str
    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        if any(ord(character) < 32 for character in self.recipient + self.subject):
            raise ValueError("A mail's header holds a control character.")

    @property
    def redacted_recipient(self) -> str:
        """Enough of the address for a log: `d***@example.com`."""
        local_part, _, domain = self.recipient.rpartition("@")
        return f"{local_part[:1]}***@{domain}"


class MailNotSent(Exception):
    """The mail service did not take a mail; it may take it later."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand a mail over; raises MailNotSent."""
        ...
