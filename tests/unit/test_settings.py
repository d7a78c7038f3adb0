import re

import pytest
from limits import parse_many
from pydantic.fields import FieldInfo

from shared import settings
from shared.errors import SettingsError
from shared.singletons import forget_singletons
from tests.conftest import ROOT

PAGE = (ROOT / "docs/settings.md").read_text()


def fields() -> dict[str, FieldInfo]:
    return {
        str(field.alias): field
        for model in settings.Settings.__subclasses__()
        for field in model.model_fields.values()
    }


def default(field: FieldInfo) -> str | None:
    """The default as the page writes it; None where the page describes it in words."""
    if field.is_required():
        return "required"
    match field.default:
        case bool():
            return None
        case int() | float() | str() as value:
            return f"`{value}`"
    return None


def test_every_variable_is_documented():
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", PAGE)) == fields().keys()


def test_the_documented_defaults_are_the_actual_ones():
    documented = dict(re.findall(r"^\| `(\w+)` \| (\S+|`[^`]+`) \|", PAGE, re.MULTILINE))
    in_force = {name: default(field) for name, field in fields().items() if default(field)}

    assert {name: documented.get(name) for name in in_force} == in_force


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    forget_singletons()

    with pytest.raises(SettingsError, match="DATABASE_URL: Field required"):
        settings.database()


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("AUTH_AUDIENCE", "")
    forget_singletons()

    assert settings.auth().audience == "lampwork"


def test_the_error_for_a_wrong_value_does_not_repeat_it(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    monkeypatch.setenv("DATABASE_POOL_SIZE", "hunter2")
    forget_singletons()

    with pytest.raises(SettingsError) as refused:
        settings.database()

    assert "DATABASE_POOL_SIZE" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value", "load"),
    [
        ("SWEEP_DELAYS_SECONDS", "soon", settings.tasks),
        ("SWEEP_DELAYS_SECONDS", "0 901", settings.tasks),
        ("SWEEP_DELAYS_SECONDS", ", ,", settings.tasks),
        ("TASK_LEASE_SECONDS", "inf", settings.tasks),
        ("TICK_DELAYS_SECONDS", "0 -1", settings.websocket),
        ("TICK_DELAYS_SECONDS", "nan", settings.websocket),
        ("RATE_LIMIT_LOGIN", "five/minute", settings.rate_limits),
        ("RATE_LIMIT_LOGIN", "5/0 minutes", settings.rate_limits),
        ("RATE_LIMIT_LOGIN", "\u0665/minute", settings.rate_limits),
        ("PUBLIC_URL", "app.example.com", settings.app),
        ("PUBLIC_URL", "https://app.example.com:https", settings.app),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://:1/live", settings.management_api),
        ("S3_PUBLIC_ENDPOINT_URL", "ftp://pictures.example.com", settings.objects),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_when_it_is_loaded(monkeypatch, variable, value, load):
    monkeypatch.setenv("RESULTS_BUCKET", "pictures")
    monkeypatch.setenv(variable, value)
    forget_singletons()

    with pytest.raises(SettingsError, match=f"^{variable}: ") as refused:
        load()

    assert value not in str(refused.value).removeprefix(variable)


def test_delays_are_numbers(monkeypatch):
    monkeypatch.setenv("SWEEP_DELAYS_SECONDS", "0, 2.5 900")
    forget_singletons()

    assert settings.tasks().sweep_delays_seconds == (0, 2.5, 900)


def test_every_default_limit_is_one_that_the_counters_understand():
    limits = settings.RateLimitSettings().model_dump(exclude={"enabled"})

    assert all(parse_many(limit) for limit in limits.values())
