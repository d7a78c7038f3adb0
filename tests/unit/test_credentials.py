import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from local.keys import new_keys
from shared import clock, settings
from shared.errors import AmbiguousCookies, AmbiguousCredentials, InvalidToken, SettingsError
from shared.security import access_tokens, api_keys, credentials
from shared.security.credentials import Credential, Source
from shared.singletons import forget_singletons

USER = UUID("8da80c47-aec2-4631-bb4b-e78bd6cc9654")
OTHER = UUID("669df9b3-63f4-4abd-986c-528c965a36a9")
SECRET = "a gateway's secret of forty characters.."
INTERNET, LOOPBACK = "192.0.2.1", "127.0.0.1"


@pytest.fixture(autouse=True)
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("KEYS_JSON", json.dumps(new_keys()))
    monkeypatch.setenv("COOKIE_SECURE", "false")
    forget_singletons()
    yield monkeypatch
    forget_singletons()


@pytest.fixture
def behind_gateway(deployment: pytest.MonkeyPatch) -> None:
    deployment.setenv("TRUST_USER_ID_HEADER", "gateway")
    deployment.setenv("GATEWAY_SECRET", SECRET)


@pytest.fixture
def at_home(deployment: pytest.MonkeyPatch) -> None:
    deployment.setenv("TRUST_USER_ID_HEADER", "local")


def token(user_id: UUID = USER) -> str:
    return access_tokens.issue(
        user_id=user_id,
        session_id=uuid4(),
        generation=0,
        epoch=0,
        authenticated_at=clock.now(),
        expires_at=clock.now() + timedelta(seconds=60),
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.case("D17")
def test_a_bearer_token_names_its_user(scheme: str):
    found = credentials.find({"authorization": f"{scheme} {token()}"}, peer=INTERNET)

    assert isinstance(found, Credential)
    assert (found.source, found.user_id) == (Source.BEARER, USER)
    assert found.session_id is not None


@pytest.mark.parametrize("header", ["Basic YTpi", "Token x", "Bearer", "Bearer ", "", "Bearer x"])
def test_a_bad_authorization_is_refused_whatever_the_cookie_holds(header: str):
    headers = {"authorization": header, "cookie": f"access_token={token()}"}

    with pytest.raises(InvalidToken):
        credentials.find(headers, peer=INTERNET)


@pytest.mark.case("D18")
def test_two_authorizations_are_ambiguous():
    headers = {"authorization": f"Bearer {token()},Bearer {token()}"}

    with pytest.raises(AmbiguousCredentials):
        credentials.find(headers, peer=INTERNET)


def test_a_cookie_names_its_user():
    found = credentials.find({"cookie": f"a=b; access_token={token()}"}, peer=INTERNET)

    assert isinstance(found, Credential)
    assert (found.source, found.user_id) == (Source.COOKIE, USER)


def test_two_access_cookies_are_ambiguous():
    with pytest.raises(AmbiguousCookies):
        credentials.find({"cookie": f"access_token={token()}; access_token=x"}, peer=INTERNET)


def test_a_request_without_credentials_has_none():
    assert credentials.find({}, peer=INTERNET) is None


def test_a_subprotocol_names_the_user_of_a_socket_only():
    headers = {"sec-websocket-protocol": f"tasks.v1, bearer.{token()}"}

    found = credentials.find(headers, peer=INTERNET, socket=True)

    assert isinstance(found, Credential)
    assert (found.source, found.user_id) == (Source.SUBPROTOCOL, USER)
    assert credentials.find(headers, peer=INTERNET) is None


def test_an_api_key_is_told_from_a_token_by_its_form():
    key = api_keys.create()
    headers = [{"authorization": f"Bearer {key}"}, {"sec-websocket-protocol": f"bearer.{key}"}]

    found = [credentials.find(each, peer=INTERNET, socket=True) for each in headers]

    assert found == [api_keys.present(key)] * 2


def test_an_api_key_in_a_cookie_is_refused():
    with pytest.raises(InvalidToken):
        credentials.find({"cookie": f"access_token={api_keys.create()}"}, peer=INTERNET)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-websocket-protocol": "bearer.a, bearer.b"},
        {"sec-websocket-protocol": "bearer.a", "authorization": "Bearer b"},
    ],
)
def test_two_tokens_for_a_socket_are_ambiguous(headers: dict[str, str]):
    with pytest.raises(AmbiguousCredentials):
        credentials.find(headers, peer=INTERNET, socket=True)


def test_a_user_id_header_is_ignored_by_default():
    headers = {"x-user-id": str(USER), "x-gateway-auth": SECRET}

    assert credentials.find(headers, peer=LOOPBACK) is None


@pytest.mark.usefixtures("behind_gateway")
def test_a_gateway_with_its_secret_names_the_user():
    headers = {"x-user-id": str(USER), "x-gateway-auth": SECRET}

    found = credentials.find(headers, peer=INTERNET)

    assert isinstance(found, Credential)
    assert (found.source, found.user_id) == (Source.TRUSTED_HEADER, USER)
    assert found.session_id is None


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + " ", SECRET.upper(), "é"])
@pytest.mark.usefixtures("behind_gateway")
@pytest.mark.case("H8")
def test_a_gateway_without_its_secret_is_refused(secret: str | None):
    headers = {"x-user-id": str(USER)} | ({} if secret is None else {"x-gateway-auth": secret})

    with pytest.raises(InvalidToken):
        credentials.find(headers, peer=LOOPBACK)


@pytest.mark.parametrize("text", ["", "admin", f"{USER},{OTHER}", USER.hex, f"{{{USER}}}"])
@pytest.mark.usefixtures("behind_gateway")
@pytest.mark.case("H8")
def test_a_user_id_that_is_not_one_uuid_is_refused(text: str):
    with pytest.raises(InvalidToken):
        credentials.find({"x-user-id": text, "x-gateway-auth": SECRET}, peer=INTERNET)


@pytest.mark.usefixtures("behind_gateway")
@pytest.mark.case("H8")
def test_a_token_beside_the_header_must_be_of_the_same_user():
    same = {"authorization": f"Bearer {token()}", "x-user-id": str(USER), "x-gateway-auth": SECRET}
    other = {**same, "x-user-id": str(OTHER)}

    found = credentials.find(same, peer=INTERNET)

    assert isinstance(found, Credential)
    assert found.source is Source.BEARER
    with pytest.raises(InvalidToken):
        credentials.find(other, peer=INTERNET)


@pytest.mark.parametrize("secret", ["", "changeme"])
def test_a_gateway_cannot_be_trusted_without_a_real_secret(
    deployment: pytest.MonkeyPatch, secret: str
):
    deployment.setenv("TRUST_USER_ID_HEADER", "gateway")
    deployment.setenv("GATEWAY_SECRET", secret)

    with pytest.raises(SettingsError, match="GATEWAY_SECRET"):
        settings.gateway()


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [("127.0.0.1", None), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::ffff:127.0.0.1", None)],
)
@pytest.mark.usefixtures("at_home")
def test_a_process_of_this_machine_names_the_user(peer: str, forwarded_for: str | None):
    headers = {"host": "localhost:8000", "x-user-id": str(USER)}
    if forwarded_for is not None:
        headers["x-forwarded-for"] = forwarded_for

    found = credentials.find(headers, peer=peer)

    assert isinstance(found, Credential)
    assert found.user_id == USER


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        (INTERNET, {}),
        (None, {}),
        ("not an address", {}),
        (LOOPBACK, {"x-forwarded-for": "203.0.113.9, 127.0.0.1"}),
        (LOOPBACK, {"x-forwarded-for": "127.0.0.1, 127.0.0.1"}),
        (LOOPBACK, {"x-forwarded-for": "203.0.113.9"}),
        (LOOPBACK, {"forwarded": "for=203.0.113.9"}),
        (LOOPBACK, {"x-real-ip": "203.0.113.9"}),
        (LOOPBACK, {"via": "1.1 proxy"}),
        (LOOPBACK, {"host": "evil.example:8000"}),
        (LOOPBACK, {"host": ""}),
    ],
)
@pytest.mark.usefixtures("at_home")
def test_a_request_that_came_from_elsewhere_does_not(peer: str | None, headers: dict[str, str]):
    sent = {"host": "localhost:8000", "x-user-id": str(USER), **headers}

    assert credentials.find(sent, peer=peer) is None
