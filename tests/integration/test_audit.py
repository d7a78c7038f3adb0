from collections.abc import Callable
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from sqlalchemy import select

from shared.database import transaction
from shared.models.auth_event import AuthEvent
from shared.process.event_loop import run
from shared.security.pseudonyms import pseudonym
from shared.web import audit_trail
from tests.auth import EMAIL, PASSWORD, ask_me, confirm, open_account, rotate, sign_in, sign_up
from tests.catalogue.gateway import request, routes
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")


def events() -> list[AuthEvent]:
    async def fetch() -> list[AuthEvent]:
        async with transaction(writing=False) as session:
            ordered = select(AuthEvent).order_by(AuthEvent.occurred_at, AuthEvent.id)
            return list(await session.scalars(ordered))

    return run(fetch())


def newest(act: Callable[[], Answer]) -> AuthEvent:
    """The one event that a request leaves behind."""
    before = {event.id for event in events()}
    act()
    (event,) = [event for event in events() if event.id not in before]
    return event


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def post(path: str, session: Answer, **body: Any) -> Answer:
    return request("POST", path, token=session.json["access_token"], json_body=body)


def test_a_sign_in_is_recorded_with_where_it_came_from(signed_in: Answer):
    event = newest(lambda: sign_in(source_ip="198.51.100.7", headers={"user-agent": "curl/8"}))

    assert (event.kind, event.outcome) == ("login", "success")
    assert (event.ip, event.user_agent) == ("198.51.100.7", "curl/8")
    assert str(event.user_id) == signed_in.json["user"]["id"]
    assert event.session_id is not None
    assert event.request_id == "LV7fzho-PHcEJPw="


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_a_failed_sign_in_is_recorded_alike_for_known_and_unknown_accounts(
    signed_in: Answer, email: str
):
    event = newest(lambda: sign_in(email, "wrong password"))

    assert (event.kind, event.outcome) == ("login", "invalid_credentials")
    assert event.user_id is None
    assert event.subject == pseudonym(email.upper())


def test_each_request_of_an_account_s_life_leaves_one_event():
    token = sign_up().json["verification"]["token"]
    sign_up()
    confirm(token)
    confirm(token)
    session = rotate(sign_in().json["refresh_token"])
    wrong = {"current_password": "wrong", "new_password": "another password"}
    post("/auth/password/change", session, **wrong)
    changed = post("/auth/password/change", session, **{**wrong, "current_password": PASSWORD})
    request("POST", "/auth/logout", cookies=changed.cookies)
    request("DELETE", "/auth/me", token=changed.json["access_token"])

    assert [(event.kind.value, event.outcome) for event in events()] == [
        ("register", "success"),
        ("register", "email_taken"),
        ("verify", "success"),
        ("verify", "token_already_used"),
        ("login", "success"),
        ("refresh", "success"),
        ("password_change", "invalid_credentials"),
        ("password_change", "success"),
        ("logout", "success"),
        ("account_delete", "invalid_token"),
    ]


def test_a_stolen_token_names_its_session_in_the_record(signed_in: Answer):
    rotate(signed_in.json["refresh_token"])

    by_body = newest(lambda: rotate(signed_in.json["refresh_token"]))

    assert (by_body.kind, by_body.outcome) == ("refresh", "refresh_token_reused")
    assert by_body.session_id is not None


def test_a_refusal_of_a_cookie_is_recorded_too(signed_in: Answer):
    event = newest(
        lambda: request("POST", "/auth/refresh", cookies={"refresh_token": "rt1_garbage"})
    )

    assert (event.kind, event.outcome) == ("refresh", "invalid_refresh_token")


def test_the_record_holds_no_secret(signed_in: Answer):
    sign_in(password="wrong canary password")
    post("/auth/password/forgot", signed_in, email=EMAIL)

    shown = str([vars(event) for event in events()])

    secrets = [PASSWORD, "canary", EMAIL, *signed_in.cookies.values()]
    assert not any(secret in shown for secret in secrets)


def test_reading_leaves_no_event(signed_in: Answer):
    before = len(events())

    ask_me(signed_in.json["access_token"])

    assert len(events()) == before


def test_every_route_that_changes_an_account_is_audited():
    unaudited = {
        (method, route.path)
        for route, _ in routes()
        for method in route.methods or ()
        if route.path.startswith("/api/v1/auth/") and method != "GET"
        if not _is_audited(route.dependant)
    }

    assert unaudited == set()


def _is_audited(dependant: Dependant) -> bool:
    return any(
        getattr(each.call, "__module__", "") == audit_trail.__name__
        for each in dependant.dependencies
    )
