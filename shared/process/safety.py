import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from shared import settings
from shared.errors import SettingsError
from shared.settings import Environment, TrustUserIdHeader, VerificationDelivery

MINIMUM_DIFFERENT_CHARACTERS = 10
WELL_KNOWN_PASSWORDS = frozenset(
    {"admin", "changeme", "guest", "lampwork", "password", "postgres", "redis", "secret", "test"}
)

WELL_KNOWN = "its password is one of the first that attackers try"
TLS = (
    "connections are encrypted and the server proves who it is; "
    "ALLOW_CONNECTIONS_WITHOUT_TLS=true takes the risk in a network of your own"
)
KEYS = {"signing", "refresh", "hmac"}
FUNCTIONS_WITH_A_DATABASE = 47  # a test counts them in the template
MAKES_KEYS = "python -m local.keys makes one"


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


def _of_keys() -> Iterator[str]:
    """Those who use the keys look at them closely; that they are there matters to all."""
    configured = settings.keys()
    if configured.json_text is None:
        if configured.file is None:
            yield f"KEYS_JSON: is empty; {MAKES_KEYS}"
        return
    try:
        keys = json.loads(configured.json_text.get_secret_value())
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not keys.keys() >= KEYS:
        yield f"KEYS_JSON: must be a JSON object with {', '.join(sorted(KEYS))}; {MAKES_KEYS}"


def _of_database() -> Iterator[str]:
    database = settings.database()
    url = database.url.get_secret_value()
    if url.startswith("sqlite"):
        yield "DATABASE_URL: SQLite serves one machine only; use PostgreSQL"
    elif _has_well_known_password(url):
        yield f"DATABASE_URL: {WELL_KNOWN}"
    elif not database.verifies and _needs_tls(url):
        yield f"DATABASE_URL: must end in ?ssl=verify-full, so that {TLS}"
    most = FUNCTIONS_WITH_A_DATABASE * database.environments * database.pool_size
    if database.connections and not database.environments:
        yield "FUNCTION_ENVIRONMENTS: must be limited where DATABASE_CONNECTIONS is"
    elif most > database.connections > 0:
        yield (
            f"DATABASE_CONNECTIONS: {FUNCTIONS_WITH_A_DATABASE} functions of"
            f" {database.environments} environments with {database.pool_size} connections each"
            f" take up to {most}, and there are {database.connections}"
        )


def _of_redis() -> Iterator[str]:
    return _of_broker("REDIS_URL", settings.redis().url, tls="rediss")


def _of_queue() -> Iterator[str]:
    queue = settings.queue()
    scheme = urlsplit(queue.url.get_secret_value()).scheme
    if scheme == "sqs":
        for name, field in type(queue).model_fields.items():
            if getattr(queue, name) is None:
                yield f"{field.alias}: is empty; QUEUE_URL=sqs:// needs it"
    else:
        tls = "amqps" if scheme.startswith("amqp") else "rediss"
        yield from _of_broker("QUEUE_URL", queue.url, tls=tls)


def _of_broker(name: str, secret: SecretStr, *, tls: str) -> Iterator[str]:
    url = secret.get_secret_value()
    if _has_well_known_password(url):
        yield f"{name}: {WELL_KNOWN}"
    elif not _needs_tls(url):
        return
    elif urlsplit(url).scheme != tls:
        yield f"{name}: must begin with {tls}://, so that {TLS}"
    elif parse_qs(urlsplit(url).query).get("ssl_cert_reqs", ["required"]) != ["required"]:
        yield f"{name}: ssl_cert_reqs must be required, so that {TLS}"


def _of_objects() -> Iterator[str]:
    settings.objects()
    yield from ()


def _has_well_known_password(url: str) -> bool:
    return urlsplit(url).password in WELL_KNOWN_PASSWORDS


def _needs_tls(url: str) -> bool:
    """What stays on this machine needs none; nor what an operator answers for."""
    if settings.app().allow_plain_connections:
        return False
    return urlsplit(url).hostname not in (None, "localhost", "127.0.0.1", "::1")


def _of_webhooks() -> Iterator[str]:
    if settings.webhooks().loopback:
        yield "WEBHOOK_LOOPBACK: must be off, since users would reach this machine's own services"


def _of_limits() -> Iterator[str]:
    if not settings.rate_limits().enabled:
        yield "RATE_LIMITS: must not be off"


PARTS = (
    *(_of_addresses, _of_accounts, _of_mail, _of_limits, _of_gateway, _of_webhooks),
    *(_of_keys, _of_database, _of_redis, _of_queue, _of_objects),
)
