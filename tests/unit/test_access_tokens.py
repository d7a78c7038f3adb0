import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
import time_machine

from local.keys import new_keys, new_signing_key
from shared.errors import InvalidToken
from shared.security import access_tokens
from shared.security.keys import keys
from shared.singletons import forget_singletons
from tests.forgeries import FORGERIES, Genuine

NOW = datetime(2026, 4, 21, 12, 0, tzinfo=UTC)
USER, SESSION = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    document = new_keys()
    monkeypatch.setenv("KEYS_JSON", json.dumps(document))
    forget_singletons()
    with time_machine.travel(NOW, tick=False):
        yield document
    forget_singletons()


def issue() -> str:
    return access_tokens.issue(
        user_id=USER,
        session_id=SESSION,
        generation=3,
        epoch=2,
        authenticated_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(seconds=600),
    )


def full_width(token: str) -> str:
    return token.replace("e", "\uff45", 1)


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_token_is_refused(forge: Callable[[Genuine], str]):
    token = forge(Genuine(issue()))

    with pytest.raises(InvalidToken):
        access_tokens.read(token)


@pytest.mark.parametrize("change", [lambda token: token + "\n", full_width], ids=["\\n", "wide"])
def test_a_token_has_one_spelling(change: Callable[[str], str]):
    token = change(issue())

    with pytest.raises(InvalidToken):
        access_tokens.read(token)


@pytest.mark.parametrize("claim", access_tokens.REQUIRED_CLAIMS)
@pytest.mark.case("D8")
def test_a_token_without_a_required_claim_is_refused(claim: str):
    token = Genuine(issue()).without(claim)

    with pytest.raises(InvalidToken):
        access_tokens.read(token)


def test_a_token_holds_the_user_and_the_time_and_nothing_else():
    claims = access_tokens.read(issue())
    payload = Genuine(issue()).payload

    assert (claims.user_id, claims.session_id) == (USER, SESSION)
    assert (claims.generation, claims.epoch) == (3, 2)
    assert claims.authenticated_at == NOW - timedelta(hours=1)
    assert claims.expires_at == NOW + timedelta(seconds=600)
    assert claims.methods == ("pwd",)
    assert UUID(str(claims.token_id)).version == 4
    assert set(payload) == set(access_tokens.REQUIRED_CLAIMS)


def test_clocks_may_differ_by_ten_seconds():
    token = issue()

    with time_machine.travel(NOW + timedelta(seconds=609), tick=False):
        assert access_tokens.read(token).user_id == USER
    with time_machine.travel(NOW - timedelta(seconds=9), tick=False):
        assert access_tokens.read(token).user_id == USER
    with (
        time_machine.travel(NOW + timedelta(seconds=611), tick=False),
        pytest.raises(InvalidToken),
    ):
        access_tokens.read(token)


def test_the_session_of_an_expired_token_can_still_be_read():
    token = issue()

    with time_machine.travel(NOW + timedelta(days=30), tick=False):
        claims = access_tokens.read(token, even_expired=True)

    assert claims.session_id == SESSION


@pytest.mark.case("D20")
def test_the_previous_key_still_verifies_and_a_retired_key_does_not(
    own_keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    token = issue()
    previous = {name: text for name, text in own_keys["signing"]["current"].items() if name != "d"}
    fresh = new_signing_key()

    monkeypatch.setenv(
        "KEYS_JSON", json.dumps({**own_keys, "signing": {"current": fresh, "previous": previous}})
    )
    forget_singletons()
    while_previous = access_tokens.read(token)
    monkeypatch.setenv("KEYS_JSON", json.dumps({**own_keys, "signing": {"current": fresh}}))
    forget_singletons()

    assert while_previous.user_id == USER
    with pytest.raises(InvalidToken):
        access_tokens.read(token)


def test_other_libraries_can_read_the_tokens():
    key = keys().signing.current

    payload = jwt.decode(issue(), key.public, algorithms=["EdDSA"], audience="lampwork")

    assert payload["sub"] == str(USER)
    assert jwt.get_unverified_header(issue()) == {
        "alg": "EdDSA",
        "kid": key.kid,
        "typ": "at+jwt",
    }
