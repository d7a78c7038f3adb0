"""From MAIL_URL to a mailer."""

from collections.abc import Callable
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from shared import settings
from shared.errors import SettingsError
from shared.mail.port import Mailer
from shared.settings import Environment
from shared.singletons import singleton

# By dotted name, so that only the chosen mailer's libraries are loaded.
MAILERS = {
    "mailbox": "shared.mail.development:DevelopmentMailbox",
    "none": "shared.mail.development:NoMail",
    "ses": "shared.mail.ses:SesMailer",
}


@singleton
def mailer() -> Mailer:
    """The mailer that MAIL_URL names by its scheme.

    Raises:
        SettingsError: there is none of this scheme, or it is not for this environment.
    """
    scheme = urlsplit(settings.mail().url).scheme
    if scheme not in MAILERS:
        known = ", ".join(f"{name}://" for name in sorted(MAILERS))
        raise SettingsError(f"MAIL_URL: no such mailer; known are {known}")
    if scheme == "mailbox" and settings.app().environment is not Environment.DEVELOPMENT:
        raise SettingsError("MAIL_URL: mailbox:// is for ENV=development only")
    module, factory = MAILERS[scheme].split(":")
    return cast(Callable[[], Mailer], getattr(import_module(module), factory))()
