"""Sends one event through the application's own Sentry set-up; fails unless Sentry accepts it."""

import sys
import urllib.request
from urllib.parse import urlsplit

from shared import settings
from shared.process.error_tracking import tracker

TIMEOUT_SECONDS = 5


class ConnectivityTest(Exception):
    """Nothing is wrong: this tests the connection to Sentry."""


def main() -> int:
    tracking, dsn = tracker(), settings.sentry().dsn
    if tracking is None or dsn is None:
        sys.stderr.write("SENTRY_DSN is not set.\n")
        return 1
    relay = urlsplit(dsn.get_secret_value())
    ready = f"{relay.scheme}://{relay.hostname}:{relay.port or 443}/api/relay/healthcheck/ready/"
    try:
        with urllib.request.urlopen(ready, timeout=TIMEOUT_SECONDS):
            event_id = tracking.capture(ConnectivityTest())
    except OSError as error:
        sys.stderr.write(f"Relay: {error}\n")
        return 1
    tracking.flush()
    sys.stdout.write(f"event {event_id}\n")
    return 0 if event_id else 1


if __name__ == "__main__":
    sys.exit(main())
