import json
import secrets
from collections.abc import Iterator
from uuid import uuid4

import pytest

from local.keys import new_keys
from shared.errors import InvalidRefreshToken
from shared.security import refresh_tokens
from shared.singletons import forget_singletons

SESSION, SALT = uuid4(), secrets.token_bytes(32)


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KEYS_JSON", json.dumps(new_keys()))
    forget_singletons()
    yield
    forget_singletons()


def test_a_generation_has_one_token_however_often_it_is_derived():
    tokens = {refresh_tokens.derive(SESSION, 4, SALT) for _ in range(3)}

    assert len(tokens) == 1
    assert refresh_tokens.parse(tokens.pop()).generation == 4


@pytest.mark.parametrize("generation", [0, 1, 2**32 - 1])
def test_a_token_is_authentic_for_its_own_salt_only(generation: int):
    token = refresh_tokens.parse(refresh_tokens.derive(SESSION, generation, SALT))

    assert token.session_id == SESSION
    assert token.is_authentic(SALT)
    assert not token.is_authentic(secrets.token_bytes(32))


def test_a_token_of_other_keys_is_not_authentic(monkeypatch: pytest.MonkeyPatch):
    token = refresh_tokens.derive(SESSION, 0, SALT)

    monkeypatch.setenv("KEYS_JSON", json.dumps(new_keys()))
    forget_singletons()

    assert not refresh_tokens.parse(token).is_authentic(SALT)


def test_a_token_of_the_previous_key_stays_authentic_until_that_is_retired(
    monkeypatch: pytest.MonkeyPatch,
):
    old, new = new_keys(), new_keys()
    monkeypatch.setenv("KEYS_JSON", json.dumps(old))
    forget_singletons()
    token = refresh_tokens.parse(refresh_tokens.derive(SESSION, 0, SALT))

    new["refresh"] = {
        "current": {**new["refresh"]["current"], "version": 2},
        "previous": old["refresh"]["current"],
    }
    monkeypatch.setenv("KEYS_JSON", json.dumps(new))
    forget_singletons()
    while_previous = token.is_authentic(SALT)
    del new["refresh"]["previous"]
    monkeypatch.setenv("KEYS_JSON", json.dumps(new))
    forget_singletons()

    assert while_previous
    assert not token.is_authentic(SALT)


@pytest.mark.parametrize("position", range(4, 74, 7))
def test_a_token_changed_anywhere_is_not_authentic(position: int):
    token = refresh_tokens.derive(SESSION, 1, SALT)
    changed = "A" if token[position] != "A" else "B"

    forged = refresh_tokens.parse(token[:position] + changed + token[position + 1 :])

    assert not forged.is_authentic(SALT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rt1_",
        "rt2_AAAA",
        "rt1_AAAA",
        "rt1_" + "A" * 72,
        "rt1_é",
        "rt1_" + "A" * 100_000,
        "ey.J.x",
    ],
)
def test_a_text_of_another_form_is_no_token(text: str):
    with pytest.raises(InvalidRefreshToken):
        refresh_tokens.parse(text)


@pytest.mark.parametrize("tail", ["=", "==", "\n", " ", "A"])
def test_a_token_has_one_spelling_only(tail: str):
    token = refresh_tokens.derive(SESSION, 1, SALT)

    with pytest.raises(InvalidRefreshToken):
        refresh_tokens.parse(token + tail)
    with pytest.raises(InvalidRefreshToken):
        refresh_tokens.parse(token.replace("rt1_", "RT1_"))
