"""Makes the mailer that MAIL_URL names."""

from urllib.parse import urlsplit

from shared import settings
from shared.errors import SettingsError
from shared.mail.port import Mailer
from shared.process.scheme_registry import SchemeRegistry
from shared.settings import Environment
from shared.singletons import singleton

MAILERS = SchemeRegistry[Mailer](
    "MAIL_URL",
    "mailer",
    {
        "mailbox": "shared.mail.development:DevelopmentMailbox",
        "none": "shared.mail.development:NoMail",
        "ses": "shared.mail.ses:SesMailer",
    },
)


@singleton
def mailer() -> Mailer:
    """The mailer that MAIL_URL names by its scheme.

    Raises:
        SettingsError: the scheme is unknown, or not allowed in this environment.
    """
    scheme = urlsplit(settings.mail().url).scheme
    if scheme == "mailbox" and settings.app().environment is not Environment.DEVELOPMENT:
        raise SettingsError("MAIL_URL: mailbox:// is for ENV=development only")
    return MAILERS.factory(scheme)()
