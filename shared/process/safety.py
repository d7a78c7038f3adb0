from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared import settings
from shared.errors import SettingsError
from shared.settings import Environment, TrustUserIdHeader, VerificationDelivery

MINIMUM_DIFFERENT_CHARACTERS = 10
WELL_KNOWN_PASSWORDS = frozenset(
    {"admin", "changeme", "guest", "lampwork", "password", "postgres", "redis", "secret", "test"}
)


def check() -> None:
    """Refuse to work in production with settings that only a development machine may have.

    Raises:
        SettingsError: its text lists everything that is wrong, without the value of a secret.
    """
    if settings.app().environment is not Environment.PRODUCTION:
        return
    found = [problem for part in PARTS for problem in _problems(part)]
    if found:
        raise SettingsError("Not fit for production:\n" + "\n".join(f"- {each}" for each in found))


def _problems(part: Callable[[], Iterator[str]]) -> list[str]:
    try:
        return list(part())
    except SettingsError as error:  # a value is missing or wrong: add it to the list
        return [str(error)]


def _of_addresses() -> Iterator[str]:
    app, auth = settings.app(), settings.auth()
    if not app.public_url.startswith("https://"):
        yield "PUBLIC_URL: must begin with https://"
    if not auth.issuer.startswith("https://"):
        yield "AUTH_ISSUER: must begin with https://"
    for origin in app.allowed_origins:
        if not _is_exact_origin(origin):
            yield f"ALLOWED_ORIGINS: {origin!r} must be an exact https:// origin, without a path"


def _is_exact_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return "*" not in origin and parts.hostname is not None and origin == f"https://{parts.netloc}"


def _of_accounts() -> Iterator[str]:
    auth = settings.auth()
    told = auth.verification_delivery is not VerificationDelivery.EMAIL
    if told and not auth.allow_response_in_production:
        yield (
            "AUTH_VERIFICATION_DELIVERY: must be email, since whoever registers an address would "
            "get the token of its owner; AUTH_ALLOW_RESPONSE_IN_PRODUCTION=true takes that risk"
        )
    if not auth.secure_cookies:
        yield "COOKIE_SECURE: must be true"


def _of_mail() -> Iterator[str]:
    scheme = urlsplit(settings.mail().url).scheme
    by_mail = settings.auth().verification_delivery is not VerificationDelivery.RESPONSE
    if scheme == "mailbox" or (scheme == "none" and by_mail):
        yield "MAIL_URL: must be ses://, since accounts need real mails"
    if scheme == "ses" and settings.mail().sender.rstrip(">").endswith("@localhost"):
        yield "MAIL_FROM: must be an address that SES may send from"


def _of_gateway() -> Iterator[str]:
    gateway = settings.gateway()
    if gateway.trust_user_id_header is TrustUserIdHeader.LOCAL:
        yield "TRUST_USER_ID_HEADER: local is for a development machine; use gateway or off"
    if gateway.secret is not None and not _is_unguessable(gateway.secret.get_secret_value()):
        yield "GATEWAY_SECRET: must be random, of 32 characters or more"
    for secret in settings.origin().secrets:
        if not _is_unguessable(secret.get_secret_value()):
            yield "ORIGIN_SECRETS: each must be random, of 32 characters or more"


def _is_unguessable(secret: str) -> bool:
    return len(secret) >= 32 and len(set(secret)) >= MINIMUM_DIFFERENT_CHARACTERS


def _of_database() -> Iterator[str]:
    if settings.database().url.get_secret_value().startswith("sqlite"):
        yield "DATABASE_URL: SQLite serves one machine only; use PostgreSQL"
    yield from _of_password("DATABASE_URL", settings.database().url)


def _of_redis() -> Iterator[str]:
    return _of_password("REDIS_URL", settings.redis().url)


def _of_queue() -> Iterator[str]:
    return _of_password("QUEUE_URL", settings.queue().url)


def _of_password(name: str, url: SecretStr) -> Iterator[str]:
    if urlsplit(url.get_secret_value()).password in WELL_KNOWN_PASSWORDS:
        yield f"{name}: its password is one of the first that attackers try"


def _of_webhooks() -> Iterator[str]:
    if settings.webhooks().loopback:
        yield "WEBHOOK_LOOPBACK: must be off, since users would reach this machine's own services"


def _of_limits() -> Iterator[str]:
    if not settings.rate_limits().enabled:
        yield "RATE_LIMITS: must not be off"


PARTS = (
    *(_of_addresses, _of_accounts, _of_mail, _of_limits, _of_gateway, _of_webhooks),
    *(_of_database, _of_redis, _of_queue),
)
