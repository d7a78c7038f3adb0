"""The settings of the environment: one small model per concern, each read at its first use.

docs/settings.md explains every variable; a test keeps the two in step.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from shared.errors import SettingsError
from shared.secrets.store import SecretStore, SecretUnreadable
from shared.singletons import singleton


def _split(value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _check_http_url(value: str) -> str:
    parts = urlsplit(value)  # a ValueError of its own when the brackets of a host do not match
    try:
        port = parts.port
    except ValueError:
        raise ValueError("The port must be a number from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("Must be a URL such as https://host or http://host:8000")
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]

# SQS refuses a longer delay; and RabbitMQ takes a message back that a worker has held for half an
# hour, as Dramatiq's workers hold what is delayed.
MAX_DELAY_SECONDS = 900
Delay = Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS)]
Delays = Annotated[tuple[Delay, ...], BeforeValidator(_split), Field(min_length=1)]
Pause = Annotated[float, Field(gt=0)]
Pauses = Annotated[tuple[Pause, ...], BeforeValidator(_split), Field(min_length=1)]
EACH_QUARTER = (0.0, 15.0, 30.0, 45.0)


class Settings(BaseModel):
    """A group of variables; a field's alias is the variable's name."""

    # A function reads a few of the groups, and builds no other.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    @classmethod
    def load(cls) -> Self:
        """Read the group. An empty variable counts as not set; the environment wins over the secret
        that SECRET_ARN names.

        Raises:
            SettingsError: naming every variable that is missing or wrong, never its value.
        """
        return cls.read({**_of_secret(), **_present()})

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """The group from these variables; raises SettingsError as `load` does."""
        try:
            return cls.model_validate(variables)
        except ValidationError as error:
            problems = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
            raise SettingsError("; ".join(problems)) from None


class SecretSettings(Settings):
    """The secret whose JSON has a member for each variable that the environment must not show."""

    arn: str | None = Field(None, alias="SECRET_ARN")
    ttl_seconds: float = Field(300, alias="SECRET_TTL_SECONDS", gt=0)


@singleton
def secret_store() -> SecretStore | None:
    """What reads the secret; None if SECRET_ARN names none."""
    configured = SecretSettings.read(_present())
    if configured.arn is None:
        return None
    from shared.secrets import secrets_manager  # loaded only where there is a secret to read

    read = partial(secrets_manager.read, configured.arn, os.environ)
    return SecretStore(read, ttl_seconds=configured.ttl_seconds)


def doubt_secret() -> None:
    """A server refuses what the settings say: have the secret read again, if there is one."""
    if (store := secret_store()) is not None:
        store.doubt()


def _present() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if value}


def _of_secret() -> Mapping[str, str]:
    store = secret_store()
    if store is None:
        return {}
    try:
        return store.variables()
    except SecretUnreadable as error:
        raise SettingsError(f"SECRET_ARN: {error}") from None


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class AppSettings(Settings):
    environment: Environment = Field(Environment.DEVELOPMENT, alias="ENV")
    public_url: HttpUrl = Field("http://localhost:8000", alias="PUBLIC_URL")
    allowed_origins: Words = Field((), alias="ALLOWED_ORIGINS")
    allow_plain_connections: bool = Field(False, alias="ALLOW_CONNECTIONS_WITHOUT_TLS")

    @property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may act for a signed-in user."""
        return frozenset({self.public_url.rstrip("/"), *self.allowed_origins})


class DatabaseSettings(Settings):
    url: SecretStr = Field(alias="DATABASE_URL")
    pool_size: int = Field(1, alias="DATABASE_POOL_SIZE", ge=1)
    ca_file: str | None = Field(None, alias="DATABASE_CA_FILE")
    connections: int = Field(0, alias="DATABASE_CONNECTIONS", ge=0)
    environments: int = Field(0, alias="FUNCTION_ENVIRONMENTS", ge=0)

    @property
    def verifies(self) -> bool:
        """Whether connections are encrypted, to a server whose certificate names its host."""
        query = parse_qs(urlsplit(self.url.get_secret_value()).query)
        return query.get("ssl") == ["verify-full"]

    @property
    def host(self) -> str | None:
        return urlsplit(self.url.get_secret_value()).hostname


class RedisSettings(Settings):
    url: SecretStr = Field(alias="REDIS_URL")


class KeySettings(Settings):
    """Where the signing and refresh keys come from: a file, or their JSON text."""

    file: str | None = Field(None, alias="KEYS_FILE")
    json_text: SecretStr | None = Field(None, alias="KEYS_JSON")


class VerificationDelivery(StrEnum):
    RESPONSE = "response"
    EMAIL = "email"
    BOTH = "both"


class AuthSettings(Settings):
    issuer: str = Field("http://localhost:8000", alias="AUTH_ISSUER")
    audience: str = Field("lampwork", alias="AUTH_AUDIENCE")
    access_ttl_seconds: int = Field(600, alias="AUTH_ACCESS_TTL_SECONDS", gt=0)
    refresh_idle_seconds: int = Field(14 * 86400, alias="AUTH_REFRESH_IDLE_SECONDS", gt=0)
    refresh_absolute_seconds: int = Field(30 * 86400, alias="AUTH_REFRESH_ABSOLUTE_SECONDS", gt=0)
    unremembered_seconds: int = Field(86400, alias="AUTH_UNREMEMBERED_SECONDS", gt=0)
    maximum_sessions: int = Field(20, alias="AUTH_MAXIMUM_SESSIONS", ge=1)
    maximum_api_keys: int = Field(20, alias="AUTH_MAXIMUM_API_KEYS", ge=0)
    verification_ttl_seconds: int = Field(86400, alias="AUTH_VERIFICATION_TTL_SECONDS", gt=0)
    reset_ttl_seconds: int = Field(1800, alias="AUTH_RESET_TTL_SECONDS", gt=0)
    email_change_ttl_seconds: int = Field(86400, alias="AUTH_EMAIL_CHANGE_TTL_SECONDS", gt=0)
    email_undo_ttl_seconds: int = Field(7 * 86400, alias="AUTH_EMAIL_UNDO_TTL_SECONDS", gt=0)
    step_up_seconds: int = Field(300, alias="AUTH_STEP_UP_SECONDS", gt=0)
    verification_delivery: VerificationDelivery = Field(
        VerificationDelivery.RESPONSE, alias="AUTH_VERIFICATION_DELIVERY"
    )
    allow_response_in_production: bool = Field(False, alias="AUTH_ALLOW_RESPONSE_IN_PRODUCTION")
    minimum_password_length: int = Field(8, alias="AUTH_MINIMUM_PASSWORD_LENGTH", ge=8)
    secure_cookies: bool = Field(True, alias="COOKIE_SECURE")
    strict_csrf: bool = Field(False, alias="CSRF_STRICT")


class RetentionSettings(Settings):
    """How long the purge keeps things."""

    deleted_account_days: int = Field(30, alias="DELETED_ACCOUNT_RETENTION_DAYS", ge=0)
    pending_account_days: int = Field(7, alias="PENDING_ACCOUNT_RETENTION_DAYS", ge=1)
    auth_event_days: int = Field(90, alias="AUTH_EVENT_RETENTION_DAYS", ge=1)


class MailSettings(Settings):
    """`mailbox://` keeps mails for a developer to read, `ses://` sends, `none://` drops them."""

    url: str = Field("mailbox://", alias="MAIL_URL")
    sender: str = Field("Lampwork <no-reply@localhost>", alias="MAIL_FROM")

    @property
    def ascii_only(self) -> bool:
        """Whether no mail reaches an address whose part before the @ is not ASCII. SES does not
        support SMTPUTF8:
        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html"""
        return urlsplit(self.url).scheme == "ses"


class TrustUserIdHeader(StrEnum):
    """Who may name the user by X-User-Id: nobody, a gateway with a secret, or a local process."""

    OFF = "off"
    GATEWAY = "gateway"
    LOCAL = "local"


class GatewaySettings(Settings):
    trust_user_id_header: TrustUserIdHeader = Field(
        TrustUserIdHeader.OFF, alias="TRUST_USER_ID_HEADER"
    )
    secret: SecretStr | None = Field(None, alias="GATEWAY_SECRET", validate_default=True)

    @field_validator("secret")
    @classmethod
    def _trust_needs_a_secret(
        cls, secret: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        trusts_gateway = info.data.get("trust_user_id_header") is TrustUserIdHeader.GATEWAY
        if trusts_gateway and len(secret.get_secret_value() if secret else "") < 32:
            raise ValueError(
                "TRUST_USER_ID_HEADER=gateway needs a GATEWAY_SECRET of 32 characters or more"
            )
        return secret


class ProxySettings(Settings):
    """The proxies whose X-Forwarded-For is trusted."""

    trusted: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_split)] = Field(
        (), alias="TRUSTED_PROXY_CIDRS"
    )


def _check_secret(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < 32:
        raise ValueError("Each secret needs 32 characters or more")
    return secret


class OriginSettings(Settings):
    """What our own content delivery network sends in X-Origin-Secret: one value, or two while it is
    being changed. Whoever sends one names the viewer by X-Viewer-Address."""

    secrets: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_check_secret)], ...], BeforeValidator(_split)
    ] = Field((), alias="ORIGIN_SECRETS")


# Such as "5/minute", or several that must all hold: "10/15 minutes; 100/day".
_LIMIT = r"[1-9][0-9]*/([1-9][0-9]* ?)?(second|minute|hour|day)s?"
RateLimit = Annotated[str, Field(pattern=rf"^{_LIMIT}( ?; ?{_LIMIT})*$")]


class RateLimitSettings(Settings):
    """How many attempts each rate limit permits; `shared.limits.policies` says what each is counted
    by."""

    enabled: bool = Field(True, alias="RATE_LIMITS")
    login: RateLimit = Field("5/minute", alias="RATE_LIMIT_LOGIN")
    login_ip: RateLimit = Field("30/minute", alias="RATE_LIMIT_LOGIN_IP")
    login_failures: RateLimit = Field("10/15 minutes; 100/day", alias="RATE_LIMIT_LOGIN_FAILURES")
    register_ip: RateLimit = Field("60/minute", alias="RATE_LIMIT_REGISTER_IP")
    verify_ip: RateLimit = Field("30/minute", alias="RATE_LIMIT_VERIFY_IP")
    refresh: RateLimit = Field("30/minute", alias="RATE_LIMIT_REFRESH")
    refresh_ip: RateLimit = Field("300/minute", alias="RATE_LIMIT_REFRESH_IP")
    mail: RateLimit = Field("1/minute; 5/day", alias="RATE_LIMIT_MAIL")
    mailbox: RateLimit = Field("1/minute; 20/day", alias="RATE_LIMIT_MAILBOX")
    mail_ip: RateLimit = Field("20/hour", alias="RATE_LIMIT_MAIL_IP")
    password: RateLimit = Field("5/minute; 100/day", alias="RATE_LIMIT_PASSWORD")
    redelivery: RateLimit = Field("30/minute", alias="RATE_LIMIT_REDELIVERY")
    api_keys: RateLimit = Field("10/hour", alias="RATE_LIMIT_API_KEYS")


class QueueSettings(Settings):
    """`redis://` and `amqp://` name a Dramatiq broker; `sqs://` uses the SQS queues below."""

    url: SecretStr = Field(alias="QUEUE_URL")
    generate_queue_url: str | None = Field(None, alias="GENERATE_QUEUE_URL")
    deliver_queue_url: str | None = Field(None, alias="DELIVER_QUEUE_URL")
    sweep_queue_url: str | None = Field(None, alias="SWEEP_QUEUE_URL")
    tick_queue_url: str | None = Field(None, alias="TICK_QUEUE_URL")
    webhook_queue_url: str | None = Field(None, alias="WEBHOOK_QUEUE_URL")


class TaskSettings(Settings):
    lease_seconds: float = Field(15, alias="TASK_LEASE_SECONDS", gt=0)
    run_timeout_seconds: float = Field(120, alias="TASK_RUN_TIMEOUT_SECONDS", gt=0)
    queue_timeout_seconds: float = Field(3600, alias="TASK_QUEUE_TIMEOUT_SECONDS", gt=0)
    max_attempts: int = Field(3, alias="TASK_MAX_ATTEMPTS", ge=1)
    turn_seconds: float = Field(30, alias="TASK_TURN_SECONDS", gt=0)
    redispatch_seconds: float = Field(60, alias="TASK_REDISPATCH_SECONDS", gt=0)
    republish_seconds: float = Field(2, alias="TASK_REPUBLISH_SECONDS", gt=0)
    sweep_delays_seconds: Delays = Field(EACH_QUARTER, alias="SWEEP_DELAYS_SECONDS")
    idempotency_ttl_seconds: int = Field(86400, alias="IDEMPOTENCY_TTL_SECONDS", gt=0)
    event_retention_seconds: float = Field(7 * 86400, alias="TASK_EVENT_RETENTION_SECONDS", gt=0)
    polls_at_once: int = Field(32, alias="TASK_POLLS_AT_ONCE", ge=1)
    shutdown_grace_seconds: float = Field(20, alias="WORKER_SHUTDOWN_GRACE_SECONDS", ge=0)

    @property
    def lease_renewal_seconds(self) -> float:
        return self.lease_seconds / 3


class WebhookSettings(Settings):
    """How a task's end is told to its webhook. The pauses between attempts are those of the
    Standard Webhooks specification's example, up to three days."""

    retry_seconds: Pauses = Field(
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400), alias="WEBHOOK_RETRY_SECONDS"
    )
    timeout_seconds: float = Field(15, alias="WEBHOOK_TIMEOUT_SECONDS", gt=0, le=15)
    secret_overlap_seconds: int = Field(86400, alias="WEBHOOK_SECRET_OVERLAP_SECONDS", ge=0)
    retention_seconds: float = Field(7 * 86400, alias="WEBHOOK_RETENTION_SECONDS", gt=0)
    loopback: bool = Field(False, alias="WEBHOOK_LOOPBACK")


class WebSocketSettings(Settings):
    heartbeat_seconds: float = Field(15, alias="WS_HEARTBEAT_SECONDS", gt=0)
    connection_ttl_seconds: int = Field(7800, alias="WS_CONNECTION_TTL_SECONDS", gt=0)
    latest_ttl_seconds: int = Field(86400, alias="WS_LATEST_TTL_SECONDS", gt=0)
    tick_seconds: float = Field(15, alias="WS_TICK_SECONDS", gt=0)
    tick_delays_seconds: Delays = Field(EACH_QUARTER, alias="TICK_DELAYS_SECONDS")
    sockets_per_user: int = Field(20, alias="WS_SOCKETS_PER_USER", ge=1)
    sockets_per_task: int = Field(5, alias="WS_SOCKETS_PER_TASK", ge=1)


class MetricsFormat(StrEnum):
    """CloudWatch's embedded metric format on standard output, or a page for Prometheus."""

    EMF = "emf"
    PROMETHEUS = "prometheus"


class MetricsSettings(Settings):
    """How workers publish metrics; functions always print them."""

    format: MetricsFormat = Field(MetricsFormat.EMF, alias="METRICS_FORMAT")


class ManagementApiSettings(Settings):
    """Where open sockets are posted to; the variable is boto3's own."""

    endpoint_url: HttpUrl = Field(alias="AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")


class ObjectSettings(Settings):
    bucket: str = Field(alias="RESULTS_BUCKET")
    public_endpoint_url: HttpUrl | None = Field(None, alias="S3_PUBLIC_ENDPOINT_URL")
    link_ttl_seconds: int = Field(300, alias="RESULT_LINK_TTL_SECONDS", gt=0, le=300)


class GeneratorSettings(Settings):
    url: SecretStr = Field(SecretStr("painter://"), alias="GENERATOR_URL")
    api_key: SecretStr | None = Field(None, alias="GENERATOR_API_KEY")
    timeout_seconds: float = Field(100, alias="GENERATOR_TIMEOUT_SECONDS", gt=0)
    concurrency: int | None = Field(None, alias="GENERATE_CONCURRENCY", ge=1, le=1000)


class SentrySettings(Settings):
    """Lambda itself sets AWS_LAMBDA_FUNCTION_NAME, the name under which an event is found."""

    dsn: SecretStr | None = Field(None, alias="SENTRY_DSN")
    environment: str | None = Field(None, alias="SENTRY_ENVIRONMENT")
    release: str | None = Field(None, alias="SENTRY_RELEASE")
    function_name: str | None = Field(None, alias="AWS_LAMBDA_FUNCTION_NAME")


app = singleton(AppSettings.load)
database = singleton(DatabaseSettings.load)
redis = singleton(RedisSettings.load)
keys = singleton(KeySettings.load)
auth = singleton(AuthSettings.load)
retention = singleton(RetentionSettings.load)
mail = singleton(MailSettings.load)
gateway = singleton(GatewaySettings.load)
proxies = singleton(ProxySettings.load)
origin = singleton(OriginSettings.load)
rate_limits = singleton(RateLimitSettings.load)
queue = singleton(QueueSettings.load)
tasks = singleton(TaskSettings.load)
webhooks = singleton(WebhookSettings.load)
websocket = singleton(WebSocketSettings.load)
metrics = singleton(MetricsSettings.load)
management_api = singleton(ManagementApiSettings.load)
objects = singleton(ObjectSettings.load)
generator = singleton(GeneratorSettings.load)
sentry = singleton(SentrySettings.load)
