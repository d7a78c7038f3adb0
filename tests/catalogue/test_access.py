import socket
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import pytest
import time_machine

from functions.auth import jwks
from shared import clock
from shared.security.access_tokens import REQUIRED_CLAIMS
from shared.security.keys import keys
from tests.auth import ask_me, open_account, rotate, send, sign_in
from tests.catalogue.cases import case
from tests.forgeries import FORGERIES, Genuine
from tests.http import Answer, call

pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("Something tried to reach the network.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("forge", FORGERIES)
@pytest.mark.usefixtures("no_network")
def test_a_forged_token_opens_nothing(signed_in: Answer, forge: Callable[[Genuine], str]):
    forged = forge(Genuine(signed_in.json["access_token"]))

    by_header, by_cookie = ask_me(forged), ask_me(headers={"cookie": f"access_token={forged}"})

    assert (by_header.status, by_cookie.status) == (401, 401)
    assert 'error="invalid_token"' in by_header.headers["www-authenticate"]
    assert ask_me(signed_in.json["access_token"]).status == 200


@pytest.mark.case("D8")
@pytest.mark.parametrize("claim", REQUIRED_CLAIMS)
def test_every_claim_is_needed(signed_in: Answer, claim: str):
    assert ask_me(Genuine(signed_in.json["access_token"]).without(claim)).status == 401


@pytest.mark.case("D17")
@pytest.mark.parametrize(
    ("scheme", "status"),
    [("bearer", 200), ("BEARER", 200), ("Basic", 401), ("Token", 401), ("JWT", 401), ("", 401)],
)
def test_the_bearer_scheme_is_case_insensitive(signed_in: Answer, scheme: str, status: int):
    answer = ask_me(headers={"authorization": f"{scheme} {signed_in.json['access_token']}"})

    assert answer.status == status


@pytest.mark.case("D18")
@pytest.mark.parametrize("separator", [",", ", "])
def test_two_authorizations_joined_by_a_gateway_are_refused(signed_in: Answer, separator: str):
    one = f"Bearer {signed_in.json['access_token']}"

    answer = ask_me(headers={"authorization": one + separator + one})

    assert (answer.status, answer.json["code"]) == (400, "ambiguous_credentials")


@pytest.mark.parametrize(
    "cookie",
    [
        case("G1", "\x85access_token={token}"),
        case("G1", "\xa0access_token={token}"),
        case("G1", "=access_token={token}"),
        case("G1", "Access_Token={token}"),
        case("G3", "__Host-access_token={token}"),
    ],
)
def test_a_cookie_of_another_name_is_no_credential(signed_in: Answer, cookie: str):
    answer = ask_me(headers={"cookie": cookie.format(token=signed_in.json["access_token"])})

    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")


@pytest.mark.case("G1", "G3")
@pytest.mark.parametrize(
    "planted", ["\x85{name}=evil", "\xa0{name}=evil", "={name}=evil", "access_token=evil"]
)
def test_a_planted_cookie_does_not_replace_the_real_one(
    application: pytest.MonkeyPatch, planted: str
):
    application.setenv("COOKIE_SECURE", "true")
    open_account()
    name, token = "__Host-access_token", sign_in().json["access_token"]

    answer = ask_me(headers={"cookie": f"{name}={token}; {planted.format(name=name)}"})

    assert answer.status == 200


@pytest.mark.case("G4")
def test_a_request_with_sixteen_kibibytes_of_cookies_is_served(signed_in: Answer):
    noise = "; ".join(f"noise{number}={'x' * 160}" for number in range(100))

    answer = ask_me(headers={"cookie": f"{noise}; access_token={signed_in.json['access_token']}"})

    assert answer.status == 200


@pytest.mark.case("D21")
def test_the_published_keys_hold_no_private_half():
    answer = call(jwks.handler, "GET", "/.well-known/jwks.json")

    assert all(set(key) == {"kty", "crv", "kid", "x", "alg", "use"} for key in answer.json["keys"])
    private = keys().signing.current.d
    assert private is not None
    assert private.get_secret_value().encode() not in answer.body


@pytest.mark.case("E18")
@pytest.mark.parametrize("seconds", [-5, 5])
def test_clocks_of_two_hosts_may_differ(signed_in: Answer, seconds: int):
    """Host B, whose clock is off, takes the tokens of host A, and A those of B."""
    token = signed_in.json["refresh_token"]

    for offset in (seconds, 0, seconds):
        with time_machine.travel(clock.now() + timedelta(seconds=offset)):
            refreshed = rotate(token)
        assert refreshed.status == 200
        assert ask_me(refreshed.json["access_token"]).status == 200
        token = refreshed.json["refresh_token"]


@pytest.mark.case("F9")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("route", ["refresh", "logout", "me", "login"])
def test_a_safe_method_changes_nothing(signed_in: Answer, route: str, method: str):
    answer = send(route, method=method, cookies=signed_in.cookies)

    assert answer.status == 405
    assert answer.set_cookies == ()
    assert ask_me(signed_in.json["access_token"]).status == 200
    assert rotate(signed_in.json["refresh_token"]).status == 200


@pytest.mark.case("F10")
@pytest.mark.parametrize("route", ["login", "refresh", "me"])
def test_another_site_s_preflight_allows_nothing(route: str):
    headers = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }

    answer = send(route, method="OPTIONS", headers=headers)

    assert not [name for name in answer.headers if name.startswith("access-control-allow")]


@pytest.mark.case("F11")
@pytest.mark.parametrize("route", ["refresh", "logout"])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://app.example.com.evil",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://evil.example/https://app.example.com",
    ],
)
def test_an_origin_that_resembles_ours_is_refused(
    application: pytest.MonkeyPatch, signed_in: Answer, route: str, origin: str
):
    application.setenv("PUBLIC_URL", "https://app.example.com")

    answer = send(route, cookies=signed_in.cookies, headers={"origin": origin})

    assert (answer.status, answer.json["code"]) == (403, "csrf_rejected")
    assert answer.set_cookies == ()
    assert ask_me(signed_in.json["access_token"]).status == 200
