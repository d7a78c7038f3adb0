import re

import pytest

from shared import settings
from shared.errors import SettingsError
from shared.singletons import forget_singletons
from tests.conftest import ROOT


def variables() -> set[str]:
    return {
        str(field.alias)
        for model in settings.Settings.__subclasses__()
        for field in model.model_fields.values()
    }


def test_every_variable_is_documented():
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text()))

    assert documented == variables()


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    forget_singletons()

    with pytest.raises(SettingsError, match="DATABASE_URL: Field required"):
        settings.database()


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("AUTH_AUDIENCE", "")
    forget_singletons()

    assert settings.auth().audience == "lampwork"


def test_a_wrong_value_is_not_repeated(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    monkeypatch.setenv("DATABASE_POOL_SIZE", "hunter2")
    forget_singletons()

    with pytest.raises(SettingsError) as refused:
        settings.database()

    assert "DATABASE_POOL_SIZE" in str(refused.value)
    assert "hunter2" not in str(refused.value)
