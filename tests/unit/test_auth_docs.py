"""The instructions in docs/auth.md must work, and the limits it names must be the actual ones."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID, uuid4

import jwt
import pytest

import functions.auth.jwks
from shared import clock, settings
from shared.models.one_time_token import TokenPurpose
from shared.models.user import Plan
from shared.plans import PLANS
from shared.security import access_tokens
from shared.services.revocation import ENDS, AccountEvent
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.http import call
from tests.rows import tables

AUTH = (ROOT / "docs/auth.md").read_text()
USER_DOMAIN = (ROOT / "docs/user_domain.md").read_text()
Verify = Callable[[str], str]


class KeySet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = call(functions.auth.jwks.handler, "GET", self.path).body
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def verify(application: pytest.MonkeyPatch) -> Iterator[Verify]:
    """The documented function, beside a product that serves its keys."""
    with HTTPServer(("127.0.0.1", 0), KeySet) as server:
        issuer = f"http://127.0.0.1:{server.server_port}"
        application.setenv("AUTH_ISSUER", issuer)
        forget_singletons()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        (code,) = re.findall(r"```python\n(.*?)```", AUTH, re.DOTALL)
        namespace: dict[str, Verify] = {}
        exec(code.replace("https://app.example.com", issuer), namespace)
        yield namespace["user_id"]
        server.shutdown()
        thread.join()


def issue(user_id: UUID, *, seconds: int = 600) -> str:
    return access_tokens.issue(
        user_id=user_id,
        session_id=uuid4(),
        generation=0,
        epoch=0,
        authenticated_at=clock.now(),
        expires_at=clock.now() + timedelta(seconds=seconds),
    )


def test_the_documented_code_verifies_a_token(verify):
    user_id = uuid4()

    assert verify(issue(user_id)) == str(user_id)


def test_the_documented_code_refuses_an_invalid_token(verify):
    head, body, signature = issue(uuid4()).split(".")
    of_another_kind = jwt.encode({"sub": "x"}, "k" * 32, "HS256", headers={"kid": "x"})

    for token in (issue(uuid4(), seconds=-1), f"{head}.{body}x.{signature}", of_another_kind):
        with pytest.raises(jwt.PyJWTError):
            verify(token)


def test_the_documented_limits_are_the_defaults():
    limits = {
        field.default
        for name, field in settings.RateLimitSettings.model_fields.items()
        if name != "enabled"
    }

    assert all(f"`{limit}`" in AUTH for limit in limits)


def row_of(event: AccountEvent) -> str:
    """The row of the table that says what this event ends."""
    ends = ENDS[event]
    sign_ins = "stay" if ends.sign_ins is None else "end"
    links = ["ends" if purpose in ends.links else "stays" for purpose in TokenPurpose]
    keys = sign_ins
    if event is AccountEvent.SIGN_IN_ENDED:
        sign_ins, keys = "that one ends", "those it made end"
    if event is AccountEvent.CHANGE_UNDONE:
        links[-1] += ", if of an earlier change"
    return f"| {' | '.join([event.value, sign_ins, keys, *links])} |"


def test_the_documented_table_of_what_ends_what_is_the_actual_one():
    section = AUTH.partition("## What ends what")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]

    assert rows == [row_of(event) for event in AccountEvent]
    assert set(ENDS) == set(AccountEvent)


@pytest.mark.parametrize("plan", list(Plan))
def test_the_documented_plans_are_the_actual_ones(plan):
    limits = PLANS[plan]
    row = (
        f"| `{plan}` | {limits.tasks_per_period} | {limits.tasks_at_once} | {limits.runs_at_once} "
        f"| {limits.polls_at_once} | {limits.longest_side} px | {limits.head_start_seconds} s |"
    )

    assert row in USER_DOMAIN


def test_every_table_of_the_user_domain_is_described():
    assert all(table.name in USER_DOMAIN for table in tables())
