"""Which link and which sign-in an event ends: what an attacker still holds on Monday of what was
issued on Friday."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from shared import clock
from shared.database import transaction
from shared.errors import InvalidOrExpiredToken
from shared.models.one_time_token import TokenPurpose
from shared.process.event_loop import run
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.security import one_time_tokens
from shared.services.one_time_tokens import new_token
from shared.services.revocation import ENDS, AccountEvent
from tests.api_keys import keys_of, make_key
from tests.auth import EMAIL, PASSWORD, ask_me, confirm, open_account, rotate, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

NEW = "new@example.com"
NEW_PASSWORD = "another password altogether"
Links = Mapping[TokenPurpose, str]


def post(path: str, session: Answer | None = None, /, **body: Any) -> Answer:
    token = session.json["access_token"] if session is not None else None
    return request("POST", path, token=token, json_body=body)


def link(user_id: str, purpose: TokenPurpose, *, email: str = "else@example.com") -> str:
    """The token of a link that was mailed a moment ago."""

    async def issue() -> str:
        expires_at = clock.now() + timedelta(minutes=20)
        row, token = new_token(UUID(user_id), purpose, expires_at=expires_at, email=email)
        async with transaction() as session:
            await OneTimeTokenRepository(session).add(row)
        return token

    return run(issue())


def works(token: str, purpose: TokenPurpose) -> bool:
    async def find() -> bool:
        async with transaction(writing=False) as session:
            try:
                await OneTimeTokenRepository(session).find_owner(
                    one_time_tokens.fingerprint(token, purpose), purpose, now=clock.now()
                )
            except InvalidOrExpiredToken:
                return False
        return True

    return run(find())


def links_of(user_id: str) -> Links:
    return {purpose: link(user_id, purpose) for purpose in TokenPurpose}


def living(links: Links) -> set[TokenPurpose]:
    return {purpose for purpose, token in links.items() if works(token, purpose)}


def change_password(session: Answer) -> Answer:
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return post("/auth/password/change", session, **change)


def reset_password(_: Answer) -> Answer:
    post("/auth/password/forgot", email=EMAIL)
    return post("/auth/password/reset", token=token_in(letters(EMAIL)[-1]), password=NEW_PASSWORD)


def move(session: Answer) -> Answer:
    post("/auth/email/change", session, email=NEW)
    return post("/auth/email/confirm", token=token_in(letters(NEW)[-1]))


def undo(_: Answer) -> Answer:
    return post("/auth/email/confirm", token=token_in(letters(EMAIL)[-1]))


def sign_out_everywhere(session: Answer) -> Answer:
    return request(
        "POST", "/auth/logout", token=session.json["access_token"], query={"scope": "global"}
    )


def sign_out_others(session: Answer) -> Answer:
    return request(
        "POST", "/auth/logout", token=session.json["access_token"], query={"scope": "others"}
    )


def end_another(session: Answer) -> Answer:
    token = session.json["access_token"]
    items = request("GET", "/auth/sessions", token=token).json["items"]
    (another,) = [each["id"] for each in items if not each["current"]]
    return request("DELETE", f"/auth/sessions/{another}", token=token)


def delete(session: Answer) -> Answer:
    return request("DELETE", "/auth/me", token=session.json["access_token"])


@pytest.mark.case("I11")
@pytest.mark.parametrize(
    ("event", "happen"),
    [
        (AccountEvent.PASSWORD_CHANGED, change_password),
        (AccountEvent.PASSWORD_RESET, reset_password),
        (AccountEvent.ADDRESS_CHANGED, move),
        (AccountEvent.SIGNED_OUT_EVERYWHERE, sign_out_everywhere),
        (AccountEvent.SIGN_IN_ENDED, sign_out_others),
        (AccountEvent.SIGN_IN_ENDED, end_another),
        (AccountEvent.DELETED, delete),
    ],
)
def test_an_event_ends_what_the_table_says(event: AccountEvent, happen: Callable[[Answer], Answer]):
    open_account()
    elsewhere, here = sign_in(), sign_in()
    links, ends = links_of(here.json["user"]["id"]), ENDS[event]
    of_elsewhere, of_here = (make_key(each).json["key"] for each in (elsewhere, here))

    assert happen(here).status < 300

    assert living(links) == set(TokenPurpose) - ends.links
    stays = ends.sign_ins is None
    assert (ask_me(here.json["access_token"]).status == 200) is stays
    assert (rotate(here.json["refresh_token"]).status == 200) is stays
    others_stay = stays and event is not AccountEvent.SIGN_IN_ENDED
    assert (ask_me(elsewhere.json["access_token"]).status == 200) is others_stay
    assert (ask_me(of_here).status == 200) is stays
    assert (ask_me(of_elsewhere).status == 200) is others_stay


@pytest.mark.case("I11")
def test_a_verified_address_ends_the_other_links_to_verify_it():
    signed_up = sign_up().json
    links = links_of(signed_up["user"]["id"])

    assert confirm(signed_up["verification"]["token"]).status == 200

    assert living(links) == set(TokenPurpose) - ENDS[AccountEvent.VERIFIED].links


@pytest.mark.case("I11")
def test_a_restored_account_ends_what_was_mailed_while_it_was_deleted():
    open_account()
    here = sign_in()
    key = make_key(here).json["key"]
    delete(here)
    links = links_of(here.json["user"]["id"])

    assert reset_password(here).status == 200

    assert living(links) == set(TokenPurpose) - ENDS[AccountEvent.RESTORED].links
    assert ask_me(key).status == 401
    assert ask_me(here.json["access_token"]).status == 401


@pytest.mark.case("I11")
def test_an_undone_change_ends_the_links_of_later_changes_and_keeps_those_of_earlier_ones():
    open_account()
    here = sign_in()
    user_id = here.json["user"]["id"]
    earlier, key = link(user_id, TokenPurpose.UNDO_EMAIL_CHANGE), make_key(here).json["key"]
    move(here)
    links = links_of(user_id)

    assert undo(here).status == 200

    assert living(links) == set()
    assert works(earlier, TokenPurpose.UNDO_EMAIL_CHANGE)
    assert ask_me(key).status == 401
    assert ask_me(here.json["access_token"]).status == 401


@pytest.mark.case("I11")
def test_a_stolen_refresh_token_s_end_ends_the_thief_s_change_of_address():
    open_account()
    here = sign_in()
    links, key = links_of(here.json["user"]["id"]), make_key(here).json["key"]
    successor = rotate(here.json["refresh_token"])
    ask_me(successor.json["access_token"])

    assert rotate(here.json["refresh_token"]).json["code"] == "refresh_token_reused"

    assert living(links) == set(TokenPurpose) - ENDS[AccountEvent.SIGN_IN_ENDED].links
    assert ask_me(key).status == 401


@pytest.mark.case("I11")
def test_a_mail_that_still_waits_ends_with_its_link():
    """A thief's change of address, and the owner's reset before the sweep sends its mail."""
    open_account()
    thief = sign_in()
    reset = link(thief.json["user"]["id"], TokenPurpose.RESET_PASSWORD)
    post("/auth/email/change", thief, email=NEW)

    assert post("/auth/password/reset", token=reset, password=NEW_PASSWORD).status == 200

    assert letters(NEW) == []


@pytest.mark.case("I11")
def test_a_session_that_has_ended_asks_for_no_change_of_address():
    open_account()
    elsewhere, here = sign_in(), sign_in()
    end_another(here)

    assert post("/auth/email/change", elsewhere, email=NEW).status == 401
    assert letters(NEW) == []


@pytest.mark.case("L10")
def test_a_key_outlives_the_sign_in_that_made_it_unless_another_one_ends_that():
    open_account()
    program, thief, here = sign_in(), sign_in(), sign_in()
    kept = make_key(program).json["key"]
    request("POST", "/auth/logout", token=program.json["access_token"])
    stolen = make_key(thief).json["key"]

    end_another(here)

    assert [ask_me(key).status for key in (kept, stolen)] == [200, 401]
    assert len(keys_of(here)) == 1


@pytest.mark.case("L10")
def test_signing_out_everywhere_else_leaves_the_keys_of_sign_ins_that_ended_by_themselves():
    open_account()
    program, thief = sign_in(), sign_in()
    kept = make_key(program, expires_in_days=None).json["key"]
    stolen = make_key(thief, expires_in_days=None).json["key"]
    with time_machine.travel(clock.now() + timedelta(days=15)):
        assert rotate(thief.json["refresh_token"]).status == 401
        here = sign_in()
        sign_out_others(here)

        assert [ask_me(key).status for key in (kept, stolen)] == [200, 200]
