import json
import os
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.keys import ensure_keys, new_keys, rotate_keys, rotated
from shared import clock
from shared.errors import InvalidToken, SettingsError
from shared.security import access_tokens, base64url
from shared.security.keys import keys, read_keys
from shared.singletons import forget_singletons


def test_the_key_file_is_created_once_and_only_its_owner_can_read_it(tmp_path: Path):
    path = tmp_path / ".lampwork" / "keys.json"

    made = ensure_keys(path)
    first = path.read_text()
    made_again = ensure_keys(path)

    assert (made, made_again) == (True, False)
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["keys.json"]


def test_processes_that_start_together_agree_on_one_key_file(tmp_path: Path):
    path, made = tmp_path / "keys.json", []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        made.append(ensure_keys(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made.count(True) == 1


def test_a_damaged_key_file_is_reported_and_left_alone(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text("{}")

    ended = subprocess.run(
        [sys.executable, "-m", "local.keys", str(path)], capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert "signing: Field required" in ended.stderr
    assert path.read_text() == "{}"


def test_keys_may_come_as_text_from_a_secret_store(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEYS_JSON", json.dumps(new_keys()))
    monkeypatch.delenv("KEYS_FILE", raising=False)
    forget_singletons()

    found = keys()

    assert found.signing.find(found.signing.current.kid) is found.signing.current
    forget_singletons()


@pytest.mark.parametrize("variables", [{}, {"KEYS_FILE": "/nonexistent/keys.json"}])
def test_missing_keys_are_a_settings_error(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
):
    monkeypatch.delenv("KEYS_FILE", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    forget_singletons()

    with pytest.raises(SettingsError, match="KEYS_FILE"):
        keys()

    forget_singletons()


def _changed(path: str, value: Any) -> tuple[str, str]:
    document: Any = new_keys()
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[name] = value
    return json.dumps(document), path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("signing.current.d", new_keys()["signing"]["current"]["d"], id="another d"),
        ("signing.current.x", "short"),
        ("signing.current.kid", "../../dev/null"),
        ("signing.current.crv", "Ed448"),
        ("refresh.current.secret", "changeme"),
        ("refresh.current.version", 256),
        ("hmac.secret", ""),
        ("unknown", 1),
    ],
)
def test_an_invalid_key_is_named_without_its_value(path: str, value: Any):
    text, where = _changed(path, value)

    with pytest.raises(SettingsError) as raised:
        read_keys(text)

    assert where.split(".")[0] in str(raised.value)
    assert value in ("", 1, 256) or str(value) not in str(raised.value)


def test_a_key_without_its_private_half_verifies_only():
    document = new_keys()
    del document["signing"]["current"]["d"]

    key = read_keys(json.dumps(document)).signing.current

    assert key.public is not None
    with pytest.raises(SettingsError, match="no private part"):
        _ = key.private


def test_rotation_starts_using_the_next_key_and_keeps_the_former_for_verifying(tmp_path: Path):
    path = tmp_path / "keys.json"
    ensure_keys(path)
    before = read_keys(path.read_text()).signing

    kid = rotate_keys(path)

    after = read_keys(path.read_text()).signing
    assert before.next is not None
    assert after.next is not None
    assert after.previous is not None
    assert (kid, after.current) == (before.next.kid, before.next)
    assert (after.previous.kid, after.previous.d) == (before.current.kid, None)
    assert after.next.kid not in {before.current.kid, before.next.kid}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys.json"]


def test_a_new_key_is_published_before_it_signs(tmp_path: Path):
    path, document = tmp_path / "keys.json", new_keys()
    del document["signing"]["next"]
    path.write_text(json.dumps(document))

    first, second = rotate_keys(path), rotate_keys(path)

    assert first == document["signing"]["current"]["kid"]
    assert second != first


def test_rotation_leaves_the_other_keys_alone():
    document = new_keys()

    assert {**rotated(document), "signing": None} == {**document, "signing": None}


def test_a_token_outlives_one_rotation_of_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "keys.json"
    ensure_keys(path)
    monkeypatch.setenv("KEYS_FILE", str(path))
    forget_singletons()
    token = access_tokens.issue(
        user_id=uuid4(),
        session_id=uuid4(),
        generation=0,
        epoch=0,
        authenticated_at=clock.now(),
        expires_at=clock.now() + timedelta(minutes=10),
    )

    rotate_keys(path)
    forget_singletons()
    assert access_tokens.read(token)

    rotate_keys(path)
    forget_singletons()
    with pytest.raises(InvalidToken):
        access_tokens.read(token)
    forget_singletons()


@pytest.mark.parametrize("text", [None, "{}", "no JSON"])
def test_a_file_that_holds_no_keys_is_not_rotated(tmp_path: Path, text: str | None):
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)

    ended = subprocess.run(
        [sys.executable, "-m", "local.keys", "--rotate", str(path)], capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert str(path) in ended.stderr
    assert not path.exists() or path.read_text() == text


@pytest.mark.parametrize("secret", [bytes(32), b"changeme" * 4, b"0123456789" * 3 + b"01"])
def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(secret: bytes):
    made = new_keys()
    made["hmac"]["secret"] = base64url.encode(secret)

    with pytest.raises(SettingsError, match=r"hmac\.secret: .*a key must be random") as refused:
        read_keys(json.dumps(made))

    assert made["hmac"]["secret"] not in str(refused.value)
