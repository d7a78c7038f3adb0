"""Whom each rate limit is counted for; how often is in the settings."""

from uuid import UUID

from shared import settings
from shared.limits.rate_limits import Allowance
from shared.security import client_address
from shared.security.pseudonyms import pseudonym


def login(ip: str | None, email: str) -> tuple[Allowance, Allowance]:
    """Attempts to sign in, right or wrong: of one address for one account, and for all.

    The narrow one comes first, so that hammering on one account leaves the others their share.
    """
    limits, origin = settings.rate_limits(), client_address.network(ip)
    return (
        Allowance("login", limits.login, f"{origin}/{pseudonym(email)}"),
        Allowance("login_ip", limits.login_ip, origin),
    )


def login_failures(email: str, device: str | None) -> Allowance:
    """Wrong passwords for one account; `device` is one its owner has signed in from before.

    To be cleared when the password was right, so that what stays counted are failures.
    """
    key = f"{pseudonym(email)}/{device or 'strangers'}"
    return Allowance("login_failures", settings.rate_limits().login_failures, key)


def register(ip: str | None) -> Allowance:
    return _per_address("register", settings.rate_limits().register_ip, ip)


def verify(ip: str | None) -> Allowance:
    return _per_address("verify", settings.rate_limits().verify_ip, ip)


def refresh_by_address(ip: str | None) -> Allowance:
    return _per_address("refresh_ip", settings.rate_limits().refresh_ip, ip)


def refresh(session_id: UUID) -> Allowance:
    return Allowance("refresh", settings.rate_limits().refresh, str(session_id))


def mail_by_address(ip: str | None) -> Allowance:
    """Mails that anybody may ask for, all kinds together."""
    return _per_address("mail_ip", settings.rate_limits().mail_ip, ip)


def mail(kind: str, email: str) -> Allowance:
    """Mails of a kind to one account; the same for an address that has none."""
    return Allowance(f"mail_{kind}", settings.rate_limits().mail, pseudonym(email))


def password(user_id: UUID) -> Allowance:
    """Checks of the current password of somebody signed in."""
    return Allowance("password", settings.rate_limits().password, str(user_id))


def _per_address(name: str, limit: str, ip: str | None) -> Allowance:
    return Allowance(name, limit, client_address.network(ip))
