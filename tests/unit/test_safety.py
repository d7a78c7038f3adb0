import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from functions.tasks import sweep
from local.keys import new_keys
from shared.errors import SettingsError
from shared.process import safety
from shared.singletons import forget_singletons
from tests.conftest import ROOT

SAFE = {
    "ENV": "production",
    "PUBLIC_URL": "https://app.example.com",
    "ALLOWED_ORIGINS": "https://studio.example.com https://example.com:8443",
    "AUTH_ISSUER": "https://app.example.com",
    "AUTH_VERIFICATION_DELIVERY": "email",
    "MAIL_URL": "ses://",
    "MAIL_FROM": "Lamps <lamps@example.com>",
    "DATABASE_URL": "postgresql+asyncpg://app:q7f3-kx2v-88dn@db.example.com/app?ssl=verify-full",
    "REDIS_URL": "rediss://cache.example.com:6379/0",
    "KEYS_JSON": json.dumps(new_keys()),
    "RESULTS_BUCKET": "results",
    "QUEUE_URL": "sqs://",
    **{
        f"{name}_QUEUE_URL": f"https://sqs.eu-west-1.amazonaws.com/1/{name}"
        for name in ("GENERATE", "DELIVER", "SWEEP", "TICK", "WEBHOOK")
    },
    "TRUST_USER_ID_HEADER": "gateway",
    "GATEWAY_SECRET": "Zq0v1nR7xLb3kT9wYc5dHf2gJs8mPu4e",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in SAFE.items():
        monkeypatch.setenv(name, value)
    forget_singletons()
    yield monkeypatch
    forget_singletons()


def problems() -> list[str]:
    forget_singletons()
    with pytest.raises(SettingsError) as refused:
        safety.check()
    return str(refused.value).removeprefix("Not fit for production:\n").split("\n")


def test_safe_settings_pass(production):
    safety.check()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PUBLIC_URL", "http://app.example.com"),
        ("AUTH_ISSUER", "http://localhost:8000"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://*.example.com"),
        ("ALLOWED_ORIGINS", "http://studio.example.com"),
        ("ALLOWED_ORIGINS", "https://studio.example.com/"),
        ("ALLOWED_ORIGINS", "https://[broken"),
        ("ALLOWED_ORIGINS", "null"),
        ("AUTH_VERIFICATION_DELIVERY", "response"),
        ("AUTH_VERIFICATION_DELIVERY", "both"),
        ("COOKIE_SECURE", "false"),
        ("MAIL_URL", "mailbox://"),
        ("MAIL_URL", "none://"),
        ("MAIL_FROM", ""),
        ("RATE_LIMITS", "false"),
        ("WEBHOOK_LOOPBACK", "true"),
        ("TRUST_USER_ID_HEADER", "local"),
        ("GATEWAY_SECRET", "changemechangemechangemechangeme"),
        ("GATEWAY_SECRET", "short"),
        ("ORIGIN_SECRETS", "short"),
        ("ORIGIN_SECRETS", "changemechangemechangemechangeme"),
        ("DATABASE_URL", "sqlite+aiosqlite:///app.db"),
        ("DATABASE_URL", "postgresql+asyncpg://app:changeme@db.example.com/app"),
        ("DATABASE_URL", ""),
        ("REDIS_URL", "redis://:password@cache.example.com"),
        ("QUEUE_URL", "amqp://guest:guest@queue.example.com"),
        ("QUEUE_URL", ""),
        ("QUEUE_URL", "redis://queue.example.com"),
        ("QUEUE_URL", "amqp://queue.example.com"),
        ("DATABASE_URL", "postgresql+asyncpg://app:q7f3-kx2v-88dn@db.example.com/app"),
        ("DATABASE_URL", "postgresql+asyncpg://app@db.example.com/app?ssl=require"),
        ("REDIS_URL", "redis://cache.example.com:6379/0"),
        ("REDIS_URL", "rediss://cache.example.com:6379/0?ssl_cert_reqs=none"),
        ("KEYS_JSON", ""),
        ("KEYS_JSON", "{"),
        ("KEYS_JSON", "{}"),
        ("RESULTS_BUCKET", ""),
        ("SWEEP_QUEUE_URL", ""),
    ],
)
def test_the_refusal_of_an_unsafe_value_names_its_variable(production, variable, value):
    production.setenv(variable, value)

    (problem,) = problems()

    assert problem.startswith(f"- {variable}: ")


def test_no_secret_is_shown(production):
    production.setenv("GATEWAY_SECRET", "a" * 40)
    production.setenv("DATABASE_URL", "postgresql+asyncpg://app:changeme@db.example.com/app")

    text = "".join(problems())

    assert "aaaa" not in text
    assert "changeme" not in text


def test_every_problem_is_listed_at_once(production):
    for variable in ("AUTH_ISSUER", "AUTH_VERIFICATION_DELIVERY", "MAIL_URL", "REDIS_URL"):
        production.delenv(variable)
    production.setenv("COOKIE_SECURE", "false")

    named = {problem.split(":")[0].removeprefix("- ") for problem in problems()}

    assert named == {
        *("AUTH_ISSUER", "AUTH_VERIFICATION_DELIVERY", "COOKIE_SECURE"),
        *("MAIL_URL", "REDIS_URL"),
    }


def test_verification_in_the_response_is_accepted_if_the_operator_takes_the_risk(production):
    production.setenv("AUTH_VERIFICATION_DELIVERY", "response")
    production.setenv("AUTH_ALLOW_RESPONSE_IN_PRODUCTION", "true")
    production.setenv("MAIL_URL", "none://")
    forget_singletons()

    safety.check()


def test_functions_may_not_take_more_connections_than_the_database_has(production):
    each = safety.FUNCTIONS_WITH_A_DATABASE
    production.setenv("FUNCTION_ENVIRONMENTS", "2")
    production.setenv("DATABASE_CONNECTIONS", str(2 * each))
    forget_singletons()
    safety.check()

    production.setenv("DATABASE_CONNECTIONS", str(2 * each - 1))
    (problem,) = problems()
    assert problem.startswith("- DATABASE_CONNECTIONS: ")
    assert f"up to {2 * each}" in problem

    production.setenv("FUNCTION_ENVIRONMENTS", "0")
    (problem,) = problems()
    assert problem.startswith("- FUNCTION_ENVIRONMENTS: ")


@pytest.mark.parametrize(
    ("database", "redis", "accepts_risk"),
    [("db.internal", "cache.internal", "true"), ("127.0.0.1", "localhost", "false")],
)
def test_connections_need_no_tls_on_this_machine_or_where_the_operator_answers_for_the_network(
    production, database, redis, accepts_risk
):
    production.setenv("DATABASE_URL", f"postgresql+asyncpg://app:q7f3-kx2v@{database}/app")
    production.setenv("REDIS_URL", f"redis://{redis}:6379/0")
    production.setenv("ALLOW_CONNECTIONS_WITHOUT_TLS", accepts_risk)
    forget_singletons()

    safety.check()


def test_a_development_machine_may_have_unsafe_settings(production):
    for variable, value in {**dict.fromkeys(SAFE, ""), "ENV": "development"}.items():
        production.setenv(variable, value)
    forget_singletons()

    safety.check()


def test_no_function_works_with_unsafe_settings(production):
    production.setenv("COOKIE_SECURE", "false")
    forget_singletons()

    for _ in range(2):
        with pytest.raises(SettingsError, match="COOKIE_SECURE"):
            sweep.handler({}, None)


def test_a_worker_ends_at_once_with_unsafe_settings(production):
    production.setenv("COOKIE_SECURE", "false")

    ended = subprocess.run(
        [sys.executable, "-c", "import local.worker; local.worker.generate()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 1
    assert "- COOKIE_SECURE: must be true" in ended.stderr
