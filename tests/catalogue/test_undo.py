"""Who has the mailbox has the account: what undoes a change of address or a deletion, and what a
thief or a stranger may try against it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select, update

import functions.ops.purge
from shared import clock, database
from shared.database import transaction
from shared.models.task import Task
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.auth import EMAIL, PASSWORD, confirm, open_account, set_status, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer
from tests.tasks import make_task

pytestmark = pytest.mark.usefixtures("application")

THIEF = "thief@example.com"
OTHER = "other@example.com"
NEW_PASSWORD = "another password altogether"


def post(path: str, session: Answer | None = None, /, **body: Any) -> Answer:
    token = session.json["access_token"] if session is not None else None
    return request("POST", path, token=token, json_body=body)


def move(session: Answer, address: str = THIEF) -> Answer:
    assert post("/auth/email/change", session, email=address).status == 202
    return post("/auth/email/confirm", token=token_in(letters(address)[-1]))


def undo(token: str | None = None) -> Answer:
    return post("/auth/email/confirm", token=token or token_in(letters(EMAIL)[-1]))


def delete(session: Answer) -> None:
    assert request("DELETE", "/auth/me", token=session.json["access_token"]).status == 202


def forget(email: str = EMAIL) -> None:
    assert post("/auth/password/forgot", email=email).status == 202


def reset(token: str | None = None, password: str = NEW_PASSWORD) -> Answer:
    token = token or token_in(letters(EMAIL)[-1])
    return post("/auth/password/reset", token=token, password=password)


def purge() -> int:
    erased: int = functions.ops.purge.handler({}, None)["erased"]
    return erased


def days_later(days: float) -> Any:
    return time_machine.travel(clock.now() + timedelta(days=days))


async def rows(model: Any) -> list[Any]:
    async with transaction(writing=False) as session:
        return list(await session.scalars(select(model)))


def addresses() -> list[str]:
    return sorted(user.email for user in run(rows(User)))


def deliver_by_mail_alone(application: pytest.MonkeyPatch) -> None:
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    run(database.engine().dispose())
    forget_singletons()


@pytest.fixture
def short_retention(application: pytest.MonkeyPatch) -> None:
    application.setenv("DELETED_ACCOUNT_RETENTION_DAYS", "1")
    forget_singletons()


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    """The session of whoever knows the password: the owner, or a thief."""
    open_account()
    return sign_in()


@pytest.fixture
def moved(signed_in: Answer) -> Answer:
    """As `signed_in`, when the thief has moved the account to another mailbox."""
    assert move(signed_in).json == {"status": "changed"}
    return signed_in


@pytest.mark.case("I12")
def test_nobody_signs_up_with_a_reserved_address(moved: Answer):
    assert sign_up(EMAIL.upper()).json["code"] == "email_taken"

    assert addresses() == [THIEF]
    assert undo().json == {"status": "undone"}


@pytest.mark.case("I12")
def test_a_sign_up_with_a_reserved_address_is_answered_like_any_other(
    moved: Answer, application: pytest.MonkeyPatch
):
    deliver_by_mail_alone(application)

    reserved, free = sign_up(EMAIL), sign_up("free@example.com")

    assert reserved.status == free.status == 201
    assert reserved.json.keys() == free.json.keys()
    assert undo().json == {"status": "undone"}, "the mailbox got the link once more"
    assert EMAIL in addresses()


@pytest.mark.case("I12")
def test_no_account_moves_to_an_address_that_may_come_back(moved: Answer):
    open_account(OTHER)

    answer = move(sign_in(OTHER), EMAIL)

    assert (answer.status, answer.json["code"]) == (409, "email_taken")
    assert addresses() == [OTHER, THIEF]
    assert undo().json == {"status": "undone"}, "the mailbox got the link once more"


@pytest.mark.case("I12")
def test_an_account_itself_may_move_back_to_the_address_it_left(moved: Answer):
    assert move(moved, EMAIL).json == {"status": "changed"}
    assert addresses() == [EMAIL]


@pytest.mark.case("I18")
def test_an_owner_who_moves_the_account_back_leaves_the_thief_no_link_to_undo_that(moved: Answer):
    """Otherwise the thief would wait until the owner's own link is over."""
    with days_later(6):
        move(sign_in(THIEF), EMAIL)

        assert addresses() == [EMAIL]
        assert [letter for letter in letters(THIEF) if "eu1_" in letter] == []


@pytest.mark.case("I18")
def test_an_account_that_comes_back_voids_the_links_of_all_addresses_in_between(moved: Answer):
    move(moved, OTHER)
    thiefs = token_in(letters(THIEF)[-1])

    move(moved, EMAIL)

    assert undo(thiefs).status == 400
    assert addresses() == [EMAIL]


@pytest.mark.case("I18")
def test_an_account_that_came_back_can_still_be_taken_back_from_the_thief(moved: Answer):
    owners = token_in(letters(EMAIL)[-1])
    move(moved, EMAIL)

    assert undo(owners).json == {"status": "undone"}
    assert sign_in().status == 401, "the thief knew this password"


@pytest.mark.case("I12")
def test_a_reservation_ends_with_the_time_to_undo(moved: Answer):
    with days_later(7.01):
        assert sign_up(EMAIL).status == 201


@pytest.mark.case("I12")
def test_a_reservation_is_not_renewed_without_the_mailbox(signed_in: Answer):
    """A week after a stranger left an address, its next owner gets it, however often the account
    moved on, was deleted, or was asked about."""
    move(signed_in)
    with days_later(4):
        again = sign_in(THIEF)
        move(again, OTHER)
        forget(EMAIL)
        letters(EMAIL)
        delete(again)

    with days_later(7.01):
        assert sign_up(EMAIL).status == 201


@pytest.mark.case("I12")
def test_an_undone_change_reserves_nothing(moved: Answer):
    undo()

    assert sign_up(THIEF).status == 201


@pytest.mark.case("I13")
def test_the_owner_of_a_moved_account_who_forgot_the_password_gets_the_link_again(moved: Answer):
    letters(EMAIL)
    forget()

    assert undo().json == {"status": "undone"}


@pytest.mark.case("I13")
def test_an_undo_brings_back_an_account_that_was_deleted_with_what_it_had(moved: Answer):
    owner_id = UUID(moved.json["user"]["id"])
    run(make_task(owner_id=owner_id))
    first = token_in(letters(EMAIL)[-1])
    delete(moved)

    assert undo(first).json == {"status": "undone"}

    assert reset().status == 200
    back = sign_in(password=NEW_PASSWORD)
    assert back.json["user"]["id"] == str(owner_id)
    assert [task.user_id for task in run(rows(Task))] == [owner_id]
    assert sign_in(THIEF).status == 401


@pytest.mark.case("I13")
def test_the_mailbox_that_was_left_is_told_of_the_deletion_and_gets_the_link_again(moved: Answer):
    before = len(letters(EMAIL))

    delete(moved)

    assert len(letters(EMAIL)) == before + 1
    assert undo().json == {"status": "undone"}


@pytest.mark.case("I13")
def test_changes_and_a_new_password_do_not_disarm_the_undo(moved: Answer):
    first = token_in(letters(EMAIL)[-1])
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = post("/auth/password/change", moved, **change)
    move(changed, OTHER)
    request("POST", "/auth/logout", token=changed.json["access_token"], query={"scope": "global"})

    assert undo(first).json == {"status": "undone"}
    assert addresses() == [EMAIL]


@pytest.mark.case("I13")
@pytest.mark.usefixtures("backend", "short_retention")
def test_the_purge_leaves_an_account_that_an_undo_brings_back(moved: Answer):
    token = token_in(letters(EMAIL)[-1])
    delete(moved)

    with days_later(6.9):
        assert purge() == 0
    with days_later(6.9):
        assert undo(token).json == {"status": "undone"}
    with days_later(7.1):
        assert purge() == 0
    assert addresses() == [EMAIL]


@pytest.mark.case("I13")
@pytest.mark.usefixtures("backend")
def test_a_deleted_account_is_erased_once_nothing_can_bring_it_back(moved: Answer):
    delete(moved)
    with days_later(29):
        forget(THIEF)
        letters(THIEF)

    with days_later(30.01):
        assert purge() == 1


@pytest.mark.case("I14")
def test_a_sign_up_that_nobody_confirmed_gives_way_to_the_owner_of_the_mailbox(signed_in: Answer):
    strangers = sign_up(OTHER).json["verification"]["token"]

    assert move(signed_in, OTHER).json == {"status": "changed"}

    assert addresses() == [OTHER]
    assert confirm(strangers).status == 400


@pytest.mark.case("I14")
def test_a_sign_up_that_was_confirmed_meanwhile_stays(signed_in: Answer):
    post("/auth/email/change", signed_in, email=OTHER)
    open_account(OTHER)

    answer = post("/auth/email/confirm", token=token_in(letters(OTHER)[-1]))

    assert answer.json["code"] == "email_taken"
    assert addresses() == [EMAIL, OTHER]


@pytest.mark.case("I15")
def test_the_mailbox_of_a_deleted_account_restores_it(signed_in: Answer):
    owner_id = UUID(signed_in.json["user"]["id"])
    run(make_task(owner_id=owner_id))
    delete(signed_in)

    forget()

    assert "was deleted" in letters(EMAIL)[-1]
    assert reset().status == 200
    assert sign_in(password=NEW_PASSWORD).json["user"]["id"] == str(owner_id)
    assert sign_in().status == 401
    assert len(run(rows(Task))) == 1


@pytest.mark.case("I15")
def test_no_answer_tells_of_a_deleted_account(signed_in: Answer, application: pytest.MonkeyPatch):
    delete(signed_in)
    deliver_by_mail_alone(application)

    for path in ("/auth/password/forgot", "/auth/verify/resend"):
        deleted, unknown = post(path, email=EMAIL), post(path, email="nobody@example.com")
        assert (deleted.status, deleted.body) == (unknown.status, unknown.body)
    deleted, free = sign_up(EMAIL), sign_up("free@example.com")
    assert (deleted.status, deleted.json.keys()) == (free.status, free.json.keys())
    assert sign_in(EMAIL).json == sign_in("nobody@example.com").json
    assert "was deleted" in letters(EMAIL)[-1]


@pytest.mark.case("I15")
def test_whoever_moves_to_the_address_of_a_deleted_account_is_offered_that_account(
    signed_in: Answer,
):
    delete(signed_in)
    open_account(OTHER)

    answer = move(sign_in(OTHER), EMAIL)

    assert (answer.status, answer.json["code"]) == (409, "email_taken")
    assert "was deleted" in letters(EMAIL)[-1]
    assert reset().status == 200


@pytest.mark.case("I15")
def test_where_answers_carry_tokens_the_mailbox_learns_why_its_address_is_taken(
    signed_in: Answer,
):
    delete(signed_in)

    assert sign_up(EMAIL, NEW_PASSWORD).json["code"] == "email_taken"

    assert "was deleted" in letters(EMAIL)[-1]
    assert reset().status == 200


@pytest.mark.case("I15")
def test_a_link_from_before_the_deletion_restores_nothing(signed_in: Answer):
    forget()
    before = token_in(letters(EMAIL)[-1])
    delete(signed_in)

    assert reset(before).status == 400
    assert sign_in().status == 401


@pytest.mark.case("I15")
def test_the_mailbox_cannot_restore_an_account_that_was_disabled(signed_in: Answer):
    delete(signed_in)
    set_status(EMAIL, UserStatus.DISABLED)
    before = len(letters(EMAIL))

    forget()

    assert len(letters(EMAIL)) == before


@pytest.mark.case("I15")
@pytest.mark.usefixtures("backend")
def test_asking_to_restore_an_account_does_not_put_off_its_erasure(signed_in: Answer):
    """Its pictures may be deleted as soon as it is due, so nothing must bring it back then."""
    delete(signed_in)
    with days_later(29.999):
        forget()
        token = token_in(letters(EMAIL)[-1])

    with days_later(30.001):
        assert reset(token).status == 400
        forget()
        assert token_in(letters(EMAIL)[-1]) == token, "no other mail"
        assert purge() == 1


def age_sign_up(days: float) -> None:
    async def change() -> None:
        async with transaction() as session:
            await session.execute(
                update(User).values(created_at=clock.now() - timedelta(days=days))
            )

    run(change())


@pytest.mark.case("I17")
@pytest.mark.usefixtures("backend")
def test_the_purge_leaves_a_sign_up_whose_link_was_sent_today():
    first = sign_up().json["verification"]["token"]
    age_sign_up(7.01)
    with days_later(1.01):
        sent = post("/auth/verify/resend", email=EMAIL).json["verification"]["token"]

        assert purge() == 0
        assert confirm(first).status == 400
        assert confirm(sent).status == 200


@pytest.mark.case("I17")
@pytest.mark.usefixtures("backend")
def test_the_purge_removes_a_sign_up_whose_last_link_has_expired():
    sign_up()

    with days_later(8):
        assert purge() == 1
