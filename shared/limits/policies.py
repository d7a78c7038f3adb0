"""The rate limits and what each is counted by. The settings say how many attempts each permits."""

from uuid import UUID

from shared import email_addresses, settings
from shared.limits import askers
from shared.limits.rate_limits import RateLimitPolicy
from shared.security import client_address
from shared.security.pseudonyms import pseudonym


def login(ip: str | None, email: str) -> tuple[RateLimitPolicy, RateLimitPolicy]:
    """Attempts to sign in, successful or not: from one address for one account, and for all
    accounts.

    The narrow policy comes first, so that attempts on one account leave room for the others.
    """
    limits, origin = settings.rate_limits(), client_address.network(ip)
    return (
        RateLimitPolicy("login", limits.login, f"{origin}/{pseudonym(email)}"),
        RateLimitPolicy("login_ip", limits.login_ip, origin),
    )


def login_failures(email: str, device: str | None) -> RateLimitPolicy:
    """Wrong passwords for one account. `device` is one that has signed in to it before.

    Clear it when the password was right, so that only failures stay counted.
    """
    key = f"{pseudonym(email)}/{device or 'unknown_devices'}"
    return RateLimitPolicy("login_failures", settings.rate_limits().login_failures, key)


def register(ip: str | None) -> RateLimitPolicy:
    return _per_address("register", settings.rate_limits().register_ip, ip)


def verify(ip: str | None) -> RateLimitPolicy:
    return _per_address("verify", settings.rate_limits().verify_ip, ip)


def refresh_by_address(ip: str | None) -> RateLimitPolicy:
    return _per_address("refresh_ip", settings.rate_limits().refresh_ip, ip)


def refresh(session_id: UUID) -> RateLimitPolicy:
    return RateLimitPolicy("refresh", settings.rate_limits().refresh, str(session_id))


def mail_by_address(ip: str | None) -> RateLimitPolicy:
    """Requests for mails of every kind that anybody may ask for, except sign-ups."""
    return _per_address("mail_ip", settings.rate_limits().mail_ip, ip)


def mail(kind: str, email: str, asker: str | None) -> tuple[RateLimitPolicy, ...]:
    """Mails to one mailbox, of all kinds together, that one asker causes; and those that all
    strangers cause, or all devices that the owner has used: whoever had the password once may have
    made many of these known. `asker` is a text of `shared.limits.askers`.

    Addresses that differ in a `+tag` are one mailbox. Without an asker the mail tells of something
    that happened to the account. Those are counted apart, for each kind, so that no noise can
    suppress one.
    """
    limits, mailbox = settings.rate_limits(), pseudonym(email_addresses.mailbox(email))
    if asker is None:
        return (RateLimitPolicy("mail_notices", limits.mail, f"{pseudonym(email)}/{kind}"),)
    together = "mailbox_devices" if askers.is_known_device(asker) else "mailbox"
    return (
        RateLimitPolicy("mail", limits.mail, f"{mailbox}/{asker}"),
        RateLimitPolicy(together, limits.mailbox, mailbox),
    )


def answered_tokens(email: str) -> RateLimitPolicy:
    """Tokens for one address that answers carry, where they do."""
    return RateLimitPolicy("answered_tokens", settings.rate_limits().mail, pseudonym(email))


def password(user_id: UUID) -> RateLimitPolicy:
    """Checks of the current password of a signed-in user."""
    return RateLimitPolicy("password", settings.rate_limits().password, str(user_id))


def redelivery(user_id: UUID) -> RateLimitPolicy:
    """Webhooks that a user has sent again."""
    return RateLimitPolicy("redelivery", settings.rate_limits().redelivery, str(user_id))


def api_keys(user_id: UUID) -> RateLimitPolicy:
    """API keys that a user makes."""
    return RateLimitPolicy("api_keys", settings.rate_limits().api_keys, str(user_id))


def _per_address(name: str, limit: str, ip: str | None) -> RateLimitPolicy:
    return RateLimitPolicy(name, limit, client_address.network(ip))
