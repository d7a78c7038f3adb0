import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select, update

import functions.ops.purge
from shared import clock
from shared.clients import objects
from shared.database import transaction
from shared.errors import InvalidOrExpiredToken
from shared.models.auth_event import AuthEvent
from shared.models.mail import MailboxMessage
from shared.models.one_time_token import OneTimeToken
from shared.models.session import UserSession
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import Subscription, User, UserProfile
from shared.process.event_loop import run
from shared.security.passwords import password_hasher
from shared.services.passwords import reset_password
from tests.auth import EMAIL, PASSWORD, ask_me, confirm, open_account, rotate, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer
from tests.services import objects_stored

pytestmark = pytest.mark.usefixtures("application")

NEW = "new@example.com"
THIEF = "thief@example.com"
NEW_PASSWORD = "another password altogether"


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def post(path: str, session: Answer | None = None, /, **body: Any) -> Answer:
    token = session.json["access_token"] if session is not None else None
    return request("POST", path, token=token, json_body=body)


def patch_me(session: Answer, body: Any) -> Answer:
    return request("PATCH", "/auth/me", token=session.json["access_token"], json_body=body)


def delete_me(session: Answer) -> Answer:
    return request("DELETE", "/auth/me", token=session.json["access_token"])


def move_to(address: str, session: Answer) -> Answer:
    assert post("/auth/email/change", session, email=address).status == 202
    return post("/auth/email/confirm", token=token_in(letters(address)[-1]))


async def rows(model: Any) -> list[Any]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(select(model)))


def days_later(days: float) -> Any:
    return time_machine.travel(clock.now() + timedelta(days=days))


def test_a_name_and_a_language_can_be_set_and_cleared(signed_in: Answer):
    both = patch_me(signed_in, {"display_name": "Ada 🌙", "locale": "de-CH"})
    one = patch_me(signed_in, {"display_name": None})
    none = patch_me(signed_in, {})

    assert both.status == 200
    assert both.json["profile"] == {"display_name": "Ada 🌙", "locale": "de-CH"}
    assert one.json["profile"] == none.json["profile"]
    assert none.json == ask_me(signed_in.json["access_token"]).json
    assert none.json["profile"] == {"display_name": None, "locale": "de-CH"}


def test_a_name_may_be_joined_as_its_script_wants(signed_in: Answer):
    for name in ("👨\u200d👩\u200d👧 family", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"):
        assert patch_me(signed_in, {"display_name": name}).json["profile"]["display_name"] == name


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": ""},
        {"display_name": "\u200d"},
        {"display_name": "x" * 101},
        {"display_name": " Ada"},
        {"display_name": "A\nda"},
        {"display_name": "A\u202eda"},
        {"display_name": 1},
        {"locale": "de_CH"},
        {"locale": "x" * 36},
        {"email": NEW},
        {"status": "disabled"},
        {"plan": "pro"},
    ],
    ids=repr,
)
def test_no_other_member_of_a_profile_can_be_set(signed_in: Answer, body: dict[str, Any]):
    before = ask_me(signed_in.json["access_token"]).json

    assert patch_me(signed_in, body).status == 422

    assert ask_me(signed_in.json["access_token"]).json == before


def test_a_new_password_must_be_as_strong_as_the_first(signed_in: Answer):
    weak = {"current_password": PASSWORD, "new_password": "demo@2026"}

    answer = post("/auth/password/change", signed_in, **weak)

    assert (answer.status, answer.json["code"]) == (422, "weak_password")
    assert sign_in().status == 200


def test_the_owner_is_told_of_a_changed_password(signed_in: Answer):
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    changed = post("/auth/password/change", signed_in, **change)

    assert changed.cookies["refresh_token"] == changed.json["refresh_token"]
    assert "password of your account was changed" in letters(EMAIL)[-1]


def test_a_wrong_current_password_changes_nothing(signed_in: Answer):
    change = {"current_password": "wrong password", "new_password": NEW_PASSWORD}

    answer = post("/auth/password/change", signed_in, **change)

    assert (answer.status, answer.json["code"]) == (401, "invalid_credentials")
    assert ask_me(signed_in.json["access_token"]).status == 200
    assert sign_in().status == 200


def test_a_reset_confirms_an_account_that_was_pending():
    token = sign_up().json["verification"]["token"]
    post("/auth/password/forgot", email=EMAIL)

    reset = post("/auth/password/reset", token=token_in(letters(EMAIL)[-1]), password=NEW_PASSWORD)

    assert (reset.status, reset.json, set(reset.cookies)) == (200, {"status": "active"}, {"device"})
    assert sign_in(password=NEW_PASSWORD).status == 200
    assert confirm(token).status == 400
    assert sign_in().status == 401


def test_a_weak_password_does_not_use_up_the_token(signed_in: Answer):
    post("/auth/password/forgot", email=EMAIL)
    token = token_in(letters(EMAIL)[-1])

    weak = post("/auth/password/reset", token=token, password="password")

    assert weak.json["code"] == "weak_password"
    assert post("/auth/password/reset", token=token, password=NEW_PASSWORD).status == 200
    again = post("/auth/password/reset", token=token, password=NEW_PASSWORD)
    assert again.json["code"] == "token_already_used"


def test_only_one_of_many_tokens_used_at_once_resets_the_password(
    postgresql_backend: pytest.MonkeyPatch,
):
    address = "many-tokens@example.com"
    open_account(address)
    for _ in range(8):
        post("/auth/password/forgot", email=address)
        letters(address)
    tokens = [token_in(letter) for letter in letters(address)]

    async def race() -> list[object]:
        resets = (reset_password(token, NEW_PASSWORD, password_hasher()) for token in tokens)
        return await asyncio.gather(*resets, return_exceptions=True)

    outcomes = run(race())

    assert [type(each) for each in outcomes].count(InvalidOrExpiredToken) == 7
    assert sign_in(address, NEW_PASSWORD).status == 200


def test_an_account_cannot_move_to_where_no_mail_comes(application: pytest.MonkeyPatch):
    application.setenv("MAIL_URL", "ses://")
    open_account()

    assert post("/auth/email/change", sign_in(), email="müller@example.com").status == 422


def test_an_account_moves_when_the_new_mailbox_confirms(signed_in: Answer):
    asked = post("/auth/email/change", signed_in, email=NEW)
    before = ask_me(signed_in.json["access_token"]).json["user"]["email"]

    confirmed = post("/auth/email/confirm", token=token_in(letters(NEW)[0]))

    assert (asked.status, before) == (202, EMAIL)
    assert (confirmed.status, confirmed.json) == (200, {"status": "changed"})
    assert ask_me(signed_in.json["access_token"]).json["user"]["email"] == NEW
    assert sign_in(NEW).status == 200
    assert sign_in(EMAIL).status == 401


def test_an_address_cannot_be_changed_from_a_session_left_open(signed_in: Answer):
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        refused = post("/auth/email/change", signed_in, email=NEW)
        fresh = post("/auth/reauthenticate", signed_in, password=PASSWORD)
        accepted = post("/auth/email/change", fresh, email=NEW)

    assert (refused.status, refused.json["code"]) == (403, "reauthentication_required")
    assert accepted.status == 202


def test_a_token_requested_by_the_old_address_is_void_after_the_change(signed_in: Answer):
    post("/auth/password/forgot", email=EMAIL)
    token = token_in(letters(EMAIL)[-1])
    move_to(NEW, signed_in)

    assert post("/auth/password/reset", token=token, password=NEW_PASSWORD).status == 400


def test_the_old_address_can_take_back_a_stolen_account(signed_in: Answer):
    move_to(THIEF, signed_in)

    undone = post("/auth/email/confirm", token=token_in(letters(EMAIL)[-1]))

    assert (undone.status, undone.json) == (200, {"status": "undone"})
    assert ask_me(signed_in.json["access_token"]).status == 401
    assert sign_in(EMAIL).status == 401
    reset = {"token": token_in(letters(EMAIL)[-1]), "password": NEW_PASSWORD}
    assert post("/auth/password/reset", **reset).status == 200
    assert sign_in(EMAIL, NEW_PASSWORD).status == 200


def test_a_thief_who_changes_the_address_twice_cannot_undo_what_the_owner_undid(signed_in: Answer):
    move_to(THIEF, signed_in)
    owners = token_in(letters(EMAIL)[-1])
    move_to("second-" + THIEF, signed_in)
    thiefs = token_in(letters(THIEF)[-1])

    assert post("/auth/email/confirm", token=owners).status == 200

    assert post("/auth/email/confirm", token=thiefs).status == 400
    assert [user.email for user in run(rows(User))] == [EMAIL]


def test_the_owner_can_still_undo_what_a_thief_partly_undid(signed_in: Answer):
    move_to(THIEF, signed_in)
    owners = token_in(letters(EMAIL)[-1])
    move_to("second-" + THIEF, signed_in)
    post("/auth/email/confirm", token=token_in(letters(THIEF)[-1]))

    assert post("/auth/email/confirm", token=owners).status == 200

    assert [user.email for user in run(rows(User))] == [EMAIL]


def test_a_change_can_be_undone_for_a_week(signed_in: Answer):
    move_to(NEW, signed_in)
    token = token_in(letters(EMAIL)[-1])

    with days_later(7.01):
        assert post("/auth/email/confirm", token=token).json["code"] == "invalid_or_expired_token"


def test_an_address_taken_meanwhile_stays_with_its_new_account(signed_in: Answer):
    post("/auth/email/change", signed_in, email=NEW)
    token = token_in(letters(NEW)[0])
    open_account(NEW)

    answer = post("/auth/email/confirm", token=token)

    assert (answer.status, answer.json["code"]) == (409, "email_taken")
    assert sorted(user.email for user in run(rows(User))) == [EMAIL, NEW]


def test_the_owner_is_told_of_a_token_that_is_used_twice(signed_in: Answer):
    rotate(signed_in.json["refresh_token"])

    for _ in range(3):
        rotate(signed_in.json["refresh_token"])

    assert ["used twice" in letter for letter in letters(EMAIL)] == [True]


async def make_task(user_id: str, status: TaskStatus = TaskStatus.QUEUED) -> UUID:
    async with transaction() as session:
        task = Task(
            user_id=UUID(user_id),
            status=status,
            prompt="a lake",
            parameters={},
            queued_deadline=clock.now() + timedelta(hours=1),
            run_timeout_seconds=60,
            runs_at_once=2,
        )
        session.add(task)
        await session.flush()
        return task.id


def test_deleting_an_account_stops_its_work_and_clears_its_cookies(signed_in: Answer):
    user_id = signed_in.json["user"]["id"]
    queued = run(make_task(user_id))
    finished = run(make_task(user_id, TaskStatus.COMPLETED))

    answer = delete_me(signed_in)

    tasks = {task.id: task.status for task in run(rows(Task))}
    assert answer.status == 202
    assert {answer.cookies["access_token"], answer.cookies["refresh_token"]} == {""}
    assert tasks == {queued: TaskStatus.CANCELLED, finished: TaskStatus.COMPLETED}
    assert "account is closed" in letters(EMAIL)[-1]


@pytest.mark.usefixtures("backend")
def test_the_purge_erases_an_account_with_everything_it_owns(signed_in: Answer):
    open_account(NEW)
    kept = run(make_task(sign_in(NEW).json["user"]["id"]))
    task_id = run(make_task(signed_in.json["user"]["id"]))
    for each in (task_id, kept):
        run(objects.put(f"{objects.folder(each)}1-abc.png", b"x", content_type="image/png"))
    delete_me(signed_in)

    with days_later(29):
        early = functions.ops.purge.handler({}, None)
    with days_later(30.01):
        due = functions.ops.purge.handler({}, None)

    assert (early, due) == ({"erased": 0}, {"erased": 1})
    assert objects_stored() == [f"{objects.folder(kept)}1-abc.png"]
    (owner,) = run(rows(User))
    assert owner.email == NEW
    for model in (UserProfile, Subscription, UserSession, OneTimeToken, Task):
        assert {row.user_id for row in run(rows(model))} <= {owner.id}, model
    assert sign_up().status == 201


@pytest.mark.usefixtures("backend")
def test_an_account_stays_while_its_pictures_cannot_be_deleted(
    signed_in: Answer, application: pytest.MonkeyPatch
):
    run(make_task(signed_in.json["user"]["id"]))
    delete_me(signed_in)
    application.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with days_later(31):
        answer = functions.ops.purge.handler({}, None)

    assert answer == {"erased": 0}
    assert len(run(rows(Task))) == 1


@pytest.mark.usefixtures("backend")
def test_the_purge_frees_unconfirmed_addresses():
    sign_up()
    open_account(NEW)

    with days_later(7.01):
        answer = functions.ops.purge.handler({}, None)

    assert answer == {"erased": 1}
    assert [user.email for user in run(rows(User))] == [NEW]


@pytest.mark.usefixtures("backend")
def test_the_purge_deletes_records_whose_retention_has_ended(signed_in: Answer):
    post("/auth/password/forgot", email=EMAIL)
    letters(EMAIL)

    async def age() -> None:
        async with transaction() as session:
            past = clock.now() - timedelta(days=91)
            await session.execute(update(AuthEvent).values(occurred_at=past))
            await session.execute(update(MailboxMessage).values(received_at=past))

    run(age())
    with days_later(2):
        functions.ops.purge.handler({}, None)

    assert run(rows(AuthEvent)) == run(rows(MailboxMessage)) == run(rows(OneTimeToken)) == []


def test_the_header_of_a_trusted_gateway_does_not_suffice_for_a_critical_change(
    application: pytest.MonkeyPatch,
):
    application.setenv("TRUST_USER_ID_HEADER", "local")
    open_account()
    user_id = sign_in().json["user"]["id"]
    named: dict[str, Any] = {"headers": {"x-user-id": user_id}, "source_ip": "127.0.0.1"}

    deleted = request("DELETE", "/auth/me", **named)
    again = request("POST", "/auth/reauthenticate", json_body={"password": PASSWORD}, **named)

    assert [deleted.status, again.status] == [403, 403]
    assert deleted.json["code"] == "reauthentication_required"
