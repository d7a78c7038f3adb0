"""Programs that act for an account, and thieves who make keys."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from fastapi.routing import APIRoute
from sqlalchemy import select

from local.openapi_refusals import asks_who, scope_of
from shared import clock
from shared.database import transaction
from shared.models.api_key import ApiKey
from shared.models.api_key_scope import Scope
from shared.models.user import UserStatus
from shared.process.event_loop import run
from shared.security import api_keys
from tests.api_keys import EVERYTHING, keys_of, make_key, revoke_key
from tests.auth import EMAIL, ask_me, open_account, set_status, sign_in
from tests.catalogue.gateway import request, routes
from tests.catalogue.mailbox import letters
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

OTHER = "other@example.com"
ROUTES = [route for route, _ in routes() if asks_who(route.dependant)]


@pytest.fixture
def ada(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def method_of(route: APIRoute) -> str:
    return next(iter(route.methods or ()))


def named(route: APIRoute) -> str:
    return f"{method_of(route)} {route.path}"


def try_route(route: APIRoute, key: str) -> Answer:
    path = route.path.removeprefix("/api/v1").format(
        **dict.fromkeys(route.param_convertors, str(uuid4()))
    )
    return request(method_of(route), path, token=key, json_body={} if route.body_field else None)


def stored() -> list[ApiKey]:
    async def fetch() -> list[ApiKey]:
        async with transaction(writing=False) as session:
            return list(await session.scalars(select(ApiKey)))

    return run(fetch())


def days_later(days: float) -> Any:
    return time_machine.travel(clock.now() + timedelta(days=days))


def test_a_program_acts_for_the_owner_of_its_key(ada: Answer):
    key = make_key(ada).json["key"]

    seen = ask_me(key)

    assert (seen.status, seen.json["user"]["email"]) == (200, EMAIL)


@pytest.mark.case("L1")
def test_a_session_left_open_makes_no_key(ada: Answer):
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        refused = make_key(ada)

    assert (refused.status, refused.json["code"]) == (403, "reauthentication_required")
    assert keys_of(ada) == []


@pytest.mark.case("L1")
def test_the_owner_is_told_of_a_new_key_by_mail(ada: Answer):
    make_key(ada)

    (letter,) = letters(EMAIL)
    assert "API key" not in letter
    assert "revokes every key" in letter


@pytest.mark.case("L2")
def test_a_key_is_shown_once_and_kept_as_a_hash(ada: Answer):
    made = make_key(ada, "tasks:read", name="Posters").json
    (listed,) = keys_of(ada)
    (row,) = stored()

    assert made.pop("key").endswith(made["hint"])
    assert listed == made
    assert (listed["name"], listed["scopes"]) == ("Posters", ["tasks:read"])
    assert len(row.token_hash) == 32


def test_a_list_says_when_a_key_was_last_used_to_the_minute(ada: Answer):
    key = make_key(ada).json["key"]
    unused = keys_of(ada)[0]["last_used_at"]
    ask_me(key)
    first = keys_of(ada)[0]["last_used_at"]
    ask_me(key)
    again = keys_of(ada)[0]["last_used_at"]
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        ask_me(key)
        later = keys_of(ada)[0]["last_used_at"]

    assert unused is None
    assert first == again < later


@pytest.mark.case("L3")
def test_a_key_does_what_its_scopes_name_and_nothing_else(ada: Answer):
    """Every route of the product, with a key that may do all else."""

    def key_without(needed: Scope | None) -> str:
        scopes = [each for each in EVERYTHING if each != needed]
        return str(make_key(ada, *scopes).json["key"])

    keys = {needed: key_without(needed) for needed in (None, *Scope)}
    for route in ROUTES:
        needed = scope_of(route.dependant)

        answer = try_route(route, keys[needed])

        assert (answer.status, answer.json["code"]) == (403, "insufficient_scope"), named(route)
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert (f'scope="{needed}"' in challenge) is (needed is not None)


@pytest.mark.case("L3")
def test_no_key_changes_an_account_or_makes_a_key():
    open_to_keys = {named(route): scope_of(route.dependant) for route in ROUTES}

    assert {route for route, scope in open_to_keys.items() if scope is not None} == {
        "GET /api/v1/auth/me",
        "GET /api/v1/tasks",
        "POST /api/v1/tasks",
        "GET /api/v1/tasks/{task_id}",
        "DELETE /api/v1/tasks/{task_id}",
        "POST /api/v1/tasks/{task_id}/cancel",
        "POST /api/v1/tasks/{task_id}/retry",
        "GET /api/v1/tasks/{task_id}/result",
        "GET /api/v1/tasks/{task_id}/thumbnails/{width}",
        "POST /api/v1/tasks/{task_id}/ws-ticket",
    }


@pytest.mark.case("L4")
def test_keys_that_do_not_work_are_refused_alike(ada: Answer):
    revoked, ended = make_key(ada).json, make_key(ada, expires_in_days=1).json
    good = make_key(ada).json["key"]
    revoke_key(ada, revoked["id"])
    texts = [api_keys.create(), revoked["key"], good[:-1], good + "A", good + "=", "lw_"]
    texts += [good.replace("lw_", "LW_"), good.replace("lw_", "rt1_"), f"{good} ,", good.upper()]

    answers = [ask_me(text) for text in texts]
    with days_later(1.1):
        answers.append(ask_me(ended["key"]))
        listed = [each["id"] for each in keys_of(sign_in())]

    for answer in answers:
        assert answer.status in (400, 401)
        assert answer.json["code"] in ("invalid_token", "ambiguous_credentials")
    bodies = [{**answer.json, "request_id": ""} for answer in (answers[0], answers[1], answers[-1])]
    assert bodies[0] == bodies[1] == bodies[2]
    assert ended["id"] not in listed
    assert ask_me(good).status == 200


@pytest.mark.case("L5")
def test_somebody_else_s_key_and_a_missing_one_look_alike(ada: Answer):
    mine = make_key(ada).json
    open_account(OTHER)
    other = sign_in(OTHER)

    foreign, missing = revoke_key(other, mine["id"]), revoke_key(other, str(uuid4()))

    assert (foreign.status, foreign.json["code"]) == (404, "api_key_not_found")
    assert missing.json["detail"] == foreign.json["detail"]
    assert keys_of(other) == []
    assert ask_me(mine["key"]).status == 200


@pytest.mark.case("L6")
def test_a_revoked_key_is_refused_at_its_next_request(ada: Answer):
    made = make_key(ada).json
    before = ask_me(made["key"]).status

    assert revoke_key(ada, made["id"]).status == 204

    assert (before, ask_me(made["key"]).status) == (200, 401)
    assert keys_of(ada) == []
    assert revoke_key(ada, made["id"]).status == 404


@pytest.mark.case("L7")
def test_a_key_of_an_account_that_is_not_in_use_opens_nothing(ada: Answer):
    key = make_key(ada).json["key"]

    set_status(EMAIL, UserStatus.DISABLED)
    while_disabled = ask_me(key).status
    set_status(EMAIL, UserStatus.ACTIVE)
    afterwards = ask_me(key).status

    assert (while_disabled, afterwards) == (401, 200)


@pytest.mark.case("L8")
def test_an_account_has_a_limited_number_of_keys(application: pytest.MonkeyPatch):
    application.setenv("AUTH_MAXIMUM_API_KEYS", "2")
    open_account()
    ada = sign_in()
    first = make_key(ada, expires_in_days=1).json
    make_key(ada)

    refused = make_key(ada)
    revoke_key(ada, first["id"])
    accepted = make_key(ada)

    assert (refused.status, refused.json["code"]) == (409, "too_many_api_keys")
    assert accepted.status == 201


@pytest.mark.case("L8")
def test_keys_are_made_at_a_limited_rate(application: pytest.MonkeyPatch):
    application.setenv("RATE_LIMITS", "on")
    application.setenv("RATE_LIMIT_API_KEYS", "2/hour")
    open_account()
    ada = sign_in()

    answers = [make_key(ada) for _ in range(3)]

    assert [each.status for each in answers] == [201, 201, 429]
    assert answers[-1].headers["retry-after"]


@pytest.mark.case("L9")
def test_a_key_counts_in_the_authorization_header_alone(ada: Answer):
    key = make_key(ada).json["key"]

    in_cookie = request("GET", "/auth/me", cookies={"access_token": key})
    in_query = request("GET", "/auth/me", query={"access_token": key})
    beside_a_cookie = request("GET", "/auth/me", token=key, cookies={"access_token": "x"})

    assert [in_cookie.status, in_query.status, beside_a_cookie.status] == [401, 401, 200]


@pytest.mark.case("L9")
def test_a_key_gets_no_more_power_from_a_gateway_that_names_a_user(
    application: pytest.MonkeyPatch,
):
    application.setenv("TRUST_USER_ID_HEADER", "local")
    open_account()
    ada = sign_in()
    key, headers = make_key(ada).json["key"], {"x-user-id": ada.json["user"]["id"]}
    home: dict[str, Any] = {"headers": headers, "source_ip": "127.0.0.1"}

    assert request("GET", "/auth/me", token=key, **home).status == 401
    assert request("GET", "/auth/me", **home).status == 200


NO_KEYS: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 101},
    {"name": "two\nlines"},
    {"scopes": []},
    {"scopes": ["tasks:read"] * 4},
    {"scopes": ["everything"]},
    {"scopes": "tasks:read"},
    {"expires_in_days": 0},
    {"expires_in_days": 367},
    {"user_id": "8da80c47-aec2-4631-bb4b-e78bd6cc9654"},
    {"key": "lw_mine"},
]


def test_a_key_is_only_what_a_key_can_be(ada: Answer):
    answers = [make_key(ada, **body).status for body in NO_KEYS]

    assert answers == [422] * len(NO_KEYS)
    assert keys_of(ada) == []


def test_a_key_ends_by_itself_unless_its_owner_says_that_it_never_does(ada: Answer):
    usual, endless = make_key(ada).json, make_key(ada, expires_in_days=None).json

    with days_later(91):
        seen = [ask_me(each["key"]).status for each in (usual, endless)]

    assert endless["expires_at"] is None
    assert seen == [401, 200]
