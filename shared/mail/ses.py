import asyncio
from email.utils import formataddr, parseaddr
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import email_addresses, settings
from shared.clients.sigv4 import named_region
from shared.dependencies import dependency
from shared.mail.port import Mail, MailNotSent
from shared.singletons import singleton

# One attempt each time: the next sweep sends what is not sent now.
CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})


class SesMailer:
    """Sends through Amazon SES, as the verified sender that MAIL_FROM names."""

    async def send(self, mail: Mail) -> None:
        try:
            recipient = email_addresses.in_ascii(mail.recipient)
        except ValueError:  # an account from before SES was the mailer
            raise MailNotSent("SES takes no address outside of ASCII") from None
        # SES builds the message itself from these parts, so no part can become another.
        send_email = partial(
            _client().send_email,
            FromEmailAddress=_sender(),
            Destination={"ToAddresses": [recipient]},
            Content={
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
        )
        try:
            async with dependency("mail").asked():
                await asyncio.to_thread(send_email)
        except (BotoCoreError, ClientError, TimeoutError) as error:
            raise MailNotSent(type(error).__name__) from error  # its text may hold the address


def _sender() -> str:
    """MAIL_FROM for a service that knows ASCII alone; a name is encoded as RFC 2047 says."""
    name, address = parseaddr(settings.mail().sender)
    return formataddr((name, address if address.isascii() else email_addresses.in_ascii(address)))


@singleton
def _client() -> Any:
    return boto3.client("sesv2", region_name=named_region(), config=CONFIG)
