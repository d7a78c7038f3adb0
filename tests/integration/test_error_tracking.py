"""Real envelopes of the real SDK, received by a server as a Relay would receive them."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.conftest import ROOT

PROMPT = "a prompt nobody else may read"
TOKEN = "rt1_c2VjcmV0LXNlY3JldC1zZWNyZXQ"

# In a process of its own, since the SDK stays installed for the life of a process.
RUN = """
import logging, os
from shared.process.entry_point import entry_point

@entry_point
def handler(event, context):
    prompt = event["prompt"]
    token = event["token"]
    if event["how"] == "log":
        try:
            raise ValueError(f"refused token={token} of ada@example.com")
        except ValueError:
            logging.getLogger("shared.test").exception("Request failed", extra={"prompt": prompt})
        return {}
    raise RuntimeError(f"Authorization: Bearer {token}")

try:
    handler(EVENT, None)
except RuntimeError:
    pass
"""


@contextmanager
def sink() -> Iterator[tuple[str, list[str]]]:
    """A DSN, and the envelopes that were sent to it."""
    taken: list[str] = []

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            taken.append(body.decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://key@127.0.0.1:{server.server_port}/7", taken
        server.shutdown()


def run(dsn: str, how: str) -> None:
    event = {"how": how, "prompt": PROMPT, "token": TOKEN}
    environment = {
        "PATH": "/usr/bin:/bin",
        "SENTRY_DSN": dsn,
        "SENTRY_RELEASE": "lampwork@1.2.3",
        "SENTRY_ENVIRONMENT": "staging",
        "AWS_LAMBDA_FUNCTION_NAME": "TasksCreate",
    }
    script = RUN.replace("EVENT", repr(event))
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)


def only_event(envelopes: list[str]) -> dict[str, Any]:
    (envelope,) = envelopes
    *_, item, _ = [*envelope.split("\n"), ""][:4]
    event: dict[str, Any] = json.loads(item)
    return event


@pytest.mark.parametrize(("how", "kind"), [("log", "ValueError"), ("raise", "RuntimeError")])
def test_an_error_is_reported_without_personal_data(how, kind):
    with sink() as (dsn, envelopes):
        run(dsn, how)

    event = only_event(envelopes)
    assert event["exception"]["values"][-1]["type"] == kind
    assert event["release"] == "lampwork@1.2.3"
    assert event["environment"] == "staging"
    assert event["tags"] == {"function": "TasksCreate"}
    for secret in (PROMPT, TOKEN, "ada@example.com"):
        assert secret not in envelopes[0]


def test_without_a_dsn_the_sdk_is_not_even_loaded():
    script = (
        "import sys; from shared.process.entry_point import prepare;"
        " prepare(); sys.exit('sentry_sdk' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, check=True)
