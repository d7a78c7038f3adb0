import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from local.keys import new_keys
from shared import clock
from shared.security import known_devices
from shared.singletons import forget_singletons

EMAIL = "demo@example.com"


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KEYS_JSON", json.dumps(new_keys()))
    forget_singletons()
    yield
    forget_singletons()


def test_a_device_is_known_for_the_account_it_signed_in_to():
    token = known_devices.issue(EMAIL)

    assert known_devices.read(token, EMAIL) is not None
    assert known_devices.read(token, "DEMO@EXAMPLE.COM") == known_devices.read(token, EMAIL)
    assert known_devices.read(token, "other@example.com") is None


def test_no_two_devices_have_the_same_name():
    tokens = [known_devices.issue(EMAIL) for _ in range(3)]

    assert len({known_devices.read(token, EMAIL) for token in tokens}) == 3


def test_a_device_is_forgotten_after_half_a_year():
    token = known_devices.issue(EMAIL)

    with time_machine.travel(clock.now() + timedelta(days=181)):
        assert known_devices.read(token, EMAIL) is None


@pytest.mark.parametrize("position", [6, 20, 40, 60])
def test_a_changed_token_is_no_proof(position: int):
    token = known_devices.issue(EMAIL)
    changed = "A" if token[position] != "A" else "B"

    assert known_devices.read(token[:position] + changed + token[position + 1 :], EMAIL) is None


@pytest.mark.parametrize("text", ["", "dv1_", "dv1_AAAA", "x", "dv1_é", "rt1_" + "A" * 70])
def test_a_text_that_is_no_token_is_no_proof(text: str):
    assert known_devices.read(text, EMAIL) is None
