"""The text of each mail. The token of a link follows `#`, which a browser never sends to a server,
so it appears in no log and no Referer header."""

from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from shared import settings
from shared.mail.port import Mail
from shared.models.mail import MailKind

PRODUCT = "Lampwork"


@dataclass(frozen=True, slots=True)
class Template:
    """`link` is a button's label and the page's fragment name, for mails that carry a token."""

    subject: str
    paragraphs: tuple[str, ...]
    link: tuple[str, str] | None = None


VERIFY = Template(
    f"Confirm your e-mail address for {PRODUCT}",
    (
        f"Somebody, we hope you, signed up for {PRODUCT} with this address.",
        "Confirm it with this link within a day. If it was not you, do nothing.",
    ),
    ("Confirm the address", "verify"),
)
RESTORE = Template(
    f"Restore your {PRODUCT} account?",
    (
        "Somebody, we hope you, asked for an account with this address, or for its password. "
        "It has one that was deleted, and is erased thirty days later; then the address is free.",
        "Until then you can have it back, with everything: choose a new password with this link "
        "within half an hour. If it was not you, do nothing: the account stays deleted.",
    ),
    ("Restore the account", "reset"),
)
TEMPLATES = {
    MailKind.VERIFY_EMAIL: VERIFY,
    MailKind.RESEND_VERIFICATION: VERIFY,
    MailKind.ALREADY_REGISTERED: Template(
        f"You already have a {PRODUCT} account",
        (
            "Somebody tried to sign up with this address, which has an account already.",
            "If it was you, sign in, or ask for a new password if you forgot yours.",
            "If it was not you, do nothing: your account is as it was.",
        ),
    ),
    MailKind.RESET_PASSWORD: Template(
        f"Choose a new password for {PRODUCT}",
        (
            "Somebody, we hope you, asked for a new password for the account of this address.",
            "Choose one with this link within half an hour; it works once. "
            "If it was not you, do nothing: your password is as it was.",
        ),
        ("Choose a password", "reset"),
    ),
    MailKind.PASSWORD_CHANGED: Template(
        f"Your {PRODUCT} password was changed",
        (
            "The password of your account was changed, and every other device signed out.",
            "If it was not you, ask for a new password now.",
        ),
    ),
    MailKind.CONFIRM_EMAIL_CHANGE: Template(
        f"Confirm your new e-mail address for {PRODUCT}",
        (
            f"A {PRODUCT} account is to move to this address.",
            "Confirm it with this link within a day. Until then the old address stays in use. "
            "If it was not you, do nothing.",
        ),
        ("Confirm the new address", "confirm-email"),
    ),
    MailKind.EMAIL_CHANGED: Template(
        f"The e-mail address of your {PRODUCT} account was changed",
        (
            "Your account has moved to another address. For seven days from then on, this one "
            "stays reserved for it.",
            "If it was not you, undo it with this link within those seven days. That brings the "
            "address back, and the account if it was deleted since, signs every device out, and "
            "lets you choose a new password.",
        ),
        ("Undo the change", "confirm-email"),
    ),
    MailKind.ACCOUNT_DELETED: Template(
        f"Your {PRODUCT} account was deleted",
        (
            "Your account is closed, as you asked. Its pictures and everything else will be "
            "erased after thirty days.",
            "Until then you can have it back, with everything: ask for a new password for this "
            "address, and follow the link that you are sent.",
        ),
    ),
    MailKind.SESSION_REUSED: Template(
        f"A device was signed out of {PRODUCT}",
        (
            "A key of one of your sign-ins was used twice, as happens when it is stolen. "
            "To be safe, that device was signed out.",
            "If you see this more than once, change your password.",
        ),
    ),
    MailKind.API_KEY_CREATED: Template(
        f"An API key of your {PRODUCT} account was made",
        (
            "A program can use your account with it, as far as the key allows. Your account page "
            "lists your keys, and revokes them.",
            "If it was not you, choose a new password now: that revokes every key.",
        ),
    ),
}


def compose(kind: MailKind | Template, recipient: str, token: str | None = None) -> Mail:
    """The mail of this kind. Its link begins with PUBLIC_URL, whatever host the request named."""
    template = kind if isinstance(kind, Template) else TEMPLATES[kind]
    text, html = list(template.paragraphs), [f"<p>{escape(p)}</p>" for p in template.paragraphs]
    if template.link is not None and token is not None:
        label, fragment = template.link
        url = f"{settings.app().public_url.rstrip('/')}/#{fragment}={quote(token)}"
        text.append(url)
        html.append(f'<p><a href="{escape(url)}">{escape(label)}</a></p>')
    return Mail(recipient, template.subject, "\n\n".join(text) + "\n", "\n".join(html) + "\n")
