import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.database import transaction
from shared.process.event_loop import run
from tests.auth import send
from tests.catalogue.products import WITHOUT_LIMITS
from tests.e2e.product import Product, running
from tests.tasks import blank_png

EMAIL = "canary-address@example.com"
PASSWORD = "canary-7f3a password"
NEW_PASSWORD = "canary-91bc password"
SECRET_NAMES = {"token", "access_token", "refresh_token", "ticket"}


class Witness:
    """A client that remembers every secret it sends or is sent."""

    def __init__(self, product: Product) -> None:
        self.secrets = {EMAIL, PASSWORD, NEW_PASSWORD}
        self._client = httpx.Client(base_url=f"{product.origin}/api/v1", timeout=30)

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = self._client.request(method, path, **request)
        self.secrets |= set(answer.cookies.values())
        with suppress(ValueError):
            self.secrets |= set(_tokens(answer.json()))
        return answer

    def close(self) -> None:
        self._client.close()


def _tokens(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name in SECRET_NAMES and isinstance(member, str):
                yield member
            yield from _tokens(member)


def open_account(ask: Witness) -> None:
    """Sign up and verify, with every mistake on the way."""
    account = {"email": EMAIL, "password": PASSWORD}
    ask("POST", "/auth/register", json={**account, "password": "short"})
    ask("POST", "/auth/register", json={**account, PASSWORD: PASSWORD})
    ask("POST", "/auth/register", content=json.dumps(account)[:-1])
    ask("POST", f"/auth/register?password={PASSWORD}", json={**account, "password": [PASSWORD]})
    registered = ask("POST", "/auth/register", json=account)
    assert registered.status_code == 201, registered.text
    assert ask("POST", "/auth/register", json=account).status_code == 409
    token = registered.json()["verification"]["token"]
    ask("GET", "/auth/verify", params={"token": token})
    ask("POST", "/auth/verify", params={"token": token + "="})
    assert ask("POST", "/auth/verify", params={"token": token}).status_code == 200
    assert ask("POST", "/auth/verify", json={"token": token}).status_code == 400


def sign_in_and_out(ask: Witness) -> None:
    account = {"email": EMAIL, "password": PASSWORD}
    assert ask("POST", "/auth/login", json={**account, "password": NEW_PASSWORD}).status_code == 401
    access, refresh = _sign_in(ask)
    bearer = {"Authorization": f"Bearer {access}"}
    assert ask("GET", "/auth/me", headers=bearer).status_code == 200
    ask("GET", f"/auth/me?access_token={access}", headers={"Authorization": f"Basic {access}"})
    ask("GET", f"/nowhere?token={access}")
    refreshed = ask("POST", "/auth/refresh", json={"refresh_token": refresh})
    assert refreshed.status_code == 200
    reused = ask("POST", "/auth/refresh", json={"refresh_token": refresh})
    assert reused.json()["code"] == "refresh_token_reused"
    ask("POST", "/auth/logout", json={"refresh_token": refreshed.json()["refresh_token"]})
    ask("POST", "/auth/password/forgot", json={"email": EMAIL})


def paint_and_fetch(ask: Witness) -> None:
    access, _ = _sign_in(ask)
    bearer = {"Authorization": f"Bearer {access}"}
    small = {"prompt": "a canary", "parameters": {"width": 64, "height": 64}}
    task = ask("POST", "/tasks", json=small, headers=bearer).json()
    while not task["terminal"]:
        task = ask("GET", f"/tasks/{task['id']}", headers=bearer).json()
    link = ask("GET", f"/tasks/{task['id']}/result", headers=bearer).headers["location"]
    ask.secrets |= {link, link.partition("X-Amz-Signature=")[2].partition("&")[0]}
    assert httpx.get(link).content.startswith(blank_png()[:4])


def _sign_in(ask: Witness) -> tuple[str, str]:
    answer = ask("POST", "/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"], answer.json()["refresh_token"]


@pytest.mark.case("I9", "B10")
def test_the_whole_log_of_a_run_holds_no_secret(tmp_path: Path):
    with running(tmp_path / "data", environment=WITHOUT_LIMITS, verbose=True) as product:
        ask = Witness(product)
        open_account(ask)
        sign_in_and_out(ask)
        paint_and_fetch(ask)
        ask.close()
        product.stop()

        log = product.log.read_text()

    assert "platform.report" in log
    assert "/api/v1/auth/verify" in log
    assert "" not in ask.secrets
    leaked = {secret for secret in ask.secrets if secret in log}
    assert [line for line in log.splitlines() if any(each in line for each in leaked)] == []


@pytest.mark.case("I9", "I10")
@pytest.mark.usefixtures("application")
def test_an_internal_error_shows_no_traceback_and_its_log_holds_no_secret(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    async def break_schema() -> None:
        async with transaction() as session:
            await session.execute(text("ALTER TABLE user_profiles RENAME TO elsewhere"))
            await session.execute(text("ALTER TABLE users RENAME COLUMN status TO state"))

    run(break_schema())

    answer = send("register", json_body={"email": EMAIL, "password": PASSWORD})

    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {
        *("type", "title", "status", "detail", "instance", "code", "request_id"),
    }
    assert answer.json["code"] == "internal_error"
    logged = caplog.text + "".join(capfd.readouterr())
    assert "Request failed" in logged
    assert not [each for each in (EMAIL, PASSWORD, "$argon2id$") if each in logged]
