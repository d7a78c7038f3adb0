"""Sends unexpected errors to Sentry if SENTRY_DSN is set, without personal data or secrets."""

from typing import TYPE_CHECKING, Any

from shared import settings
from shared.process.logs import clean, redact
from shared.singletons import singleton

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 2
# The members of an event that are kept. None of them can describe a request, a user or a machine.
KEPT = (
    *("event_id", "timestamp", "level", "logger", "platform", "sdk", "release", "environment"),
    *("exception", "logentry", "message", "tags", "transaction", "fingerprint"),
)


class Tracker:
    """Sentry's SDK, set up to report errors and nothing else.

    It sends no local variables (a prompt or a token may be one), no request, no user and no
    breadcrumbs, and redacts texts as `shared.process.logs` does.
    """

    def __init__(self, configured: settings.SentrySettings, dsn: str) -> None:
        # Loaded only if there is a DSN, since it is slow to load.
        import sentry_sdk
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration

        self._sdk = sentry_sdk
        self._waiting = False
        sentry_sdk.init(
            dsn=dsn,
            environment=configured.environment or settings.app().environment.value,
            release=configured.release,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration(level=None), DedupeIntegration()],
            include_local_variables=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            send_default_pii=False,
            send_client_reports=False,
            server_name="",
            before_send=self._before_send,
        )
        if configured.function_name:
            sentry_sdk.set_tag("function", configured.function_name)

    def capture(self, error: BaseException) -> str | None:
        """Report an error that is not logged elsewhere. Returns the event's id, None if it was not
        sent."""
        return self._sdk.capture_exception(error)

    def flush(self) -> None:
        """Send what waits: Lambda may freeze a function as soon as it has answered."""
        if self._waiting:
            self._sdk.flush(FLUSH_SECONDS)
            self._waiting = False

    def _before_send(self, event: "Event", _: "Hint") -> "Event":
        self._waiting = True
        return scrubbed(event)


@singleton
def tracker() -> Tracker | None:
    """The process's tracker; None without SENTRY_DSN."""
    configured = settings.sentry()
    return Tracker(configured, configured.dsn.get_secret_value()) if configured.dsn else None


def scrubbed(event: "Event") -> "Event":
    """The event with only what is needed to find the fault."""
    kept: Any = {name: value for name, value in event.items() if name in KEPT}
    for each in kept.get("exception", {}).get("values", ()):
        each["value"] = redact(str(each.get("value", "")))
    if "logentry" in kept:
        said = kept["logentry"]
        text = said.get("formatted") or said.get("message") or ""
        kept["logentry"] = {"message": redact(str(text))}
    if "message" in kept:
        kept["message"] = redact(str(kept["message"]))
    if "tags" in kept:
        kept["tags"] = clean(dict(kept["tags"]))
    result: Event = kept
    return result
