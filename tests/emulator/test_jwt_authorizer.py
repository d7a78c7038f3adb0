import time

import httpx
import pytest

from lampwork.stack.authorization import JwtAuthorizer
from lampwork.stack.model import HttpApi, HttpRoute
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack
from tests.emulator.issuer import Issuer, running_issuer


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def invoker():
    return FakeInvoker(work=lambda event: {"statusCode": 200})


@pytest.fixture
async def ask(tmp_path, issuer, invoker):
    """Asks for /open (any token) or /scoped (with the scope read or write)."""
    authorizer = JwtAuthorizer("Jwt", issuer.url, ("web", "app"))
    routes = (
        HttpRoute("GET", "/any", "work", authorizer=authorizer),
        HttpRoute("GET", "/scoped", "work", authorizer=authorizer, scopes=("read", "write")),
    )
    api = HttpApi("Api", "abc123defg", "$default", routes)
    async with running_front(stack(api), invoker, tmp_path) as front, httpx.AsyncClient() as client:

        async def ask(token: str | None, path: str = "/any") -> httpx.Response:
            headers = {} if token is None else {"Authorization": token}
            return await client.get(front.origin + path, headers=headers)

        yield ask


async def test_a_token_of_the_issuer_opens_the_route_and_its_claims_reach_the_function(
    ask, issuer, invoker
):
    token = issuer.token(roles=["a", "b"], level=3, email_verified=True, scope="read admin")

    response = await ask(f"Bearer {token}")

    assert response.status_code == 200
    authorizer = (await invoker.event("work"))["requestContext"]["authorizer"]
    assert authorizer["jwt"]["scopes"] is None
    assert authorizer["jwt"]["claims"] | {"exp": "", "iss": ""} == {
        "aud": "web",
        "email_verified": "true",
        "exp": "",
        "iss": "",
        "level": "3",
        "roles": "[a b]",
        "scope": "read admin",
        "sub": "ada",
    }


async def test_a_token_without_bearer_is_taken_too(ask, issuer):
    assert (await ask(issuer.token())).status_code == 200


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "others"}, "the token does not have a valid audience"),
        ({"aud": None}, "the token does not have a valid audience"),
        ({"exp": time.time() - 10}, "the token has expired"),
        ({"exp": None}, "the token is not valid"),
        ({"nbf": time.time() + 86_400}, "the token is not valid yet"),
        ({"iss": "https://elsewhere.example"}, "the token does not have a valid issuer"),
        ({"key_id": "second"}, "the token's key is not one of its issuer's"),
        ({"algorithm": "HS256"}, "the token's signing method is not supported"),
    ],
)
async def test_any_other_token_is_refused_with_the_reason(ask, issuer, invoker, claims, reason):
    response = await ask(f"Bearer {issuer.token(**claims)}")

    assert (response.status_code, response.text) == (401, '{"message":"Unauthorized"}')
    assert response.headers["www-authenticate"] == (
        f'Bearer scope="" error="invalid_token" error_description="{reason}"'
    )
    assert invoker.events == []


async def test_a_token_signed_by_another_key_of_the_same_name_is_refused(ask, issuer):
    other = Issuer(issuer.url)

    response = await ask(f"Bearer {other.token()}")

    assert response.status_code == 401
    assert "signature" in response.headers["www-authenticate"]


@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer nonsense", "a.b.c"])
async def test_a_value_that_is_no_token_is_refused(ask, token):
    response = await ask(token)

    assert (response.status_code, response.text) == (401, '{"message":"Unauthorized"}')
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_client_id_replaces_only_a_missing_audience(ask, issuer):
    machine = await ask(issuer.token(aud=None, client_id="app"))
    both = await ask(issuer.token(aud="others", client_id="app"))

    assert (machine.status_code, both.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "other write"}, 200),
        ({"scp": ["read"]}, 200),
        ({"scope": "other"}, 403),
        ({}, 403),
    ],
)
async def test_a_token_needs_one_of_the_routes_scopes(ask, issuer, invoker, claims, status):
    response = await ask(issuer.token(**claims), "/scoped")

    assert response.status_code == status
    if status == 200:
        granted = invoker.of("work")[0]["requestContext"]["authorizer"]["jwt"]["scopes"]
        assert granted == claims.get("scp", claims.get("scope", "").split())
    else:
        assert response.text == '{"message":"Forbidden"}'


async def test_the_issuers_keys_are_read_once_however_many_tokens_come(ask, issuer):
    before = issuer.fetched

    for _ in range(3):
        await ask(issuer.token())
        await ask(issuer.token(key_id="unknown"))

    assert issuer.fetched == before + 1


async def test_an_issuer_that_does_not_answer_refuses_its_tokens_and_is_named(
    tmp_path, issuer, caplog
):
    authorizer = JwtAuthorizer("Jwt", "http://127.0.0.1:9", ("web",))
    route = HttpRoute("GET", "/any", "work", authorizer=authorizer)
    api = HttpApi("Api", "abc123defg", "$default", (route,))
    async with (
        running_front(stack(api), FakeInvoker(), tmp_path) as front,
        httpx.AsyncClient() as c,
    ):
        response = await c.get(f"{front.origin}/any", headers={"Authorization": issuer.token()})

    assert response.status_code == 401
    assert [record.issuer for record in caplog.records if hasattr(record, "issuer")] == [
        "http://127.0.0.1:9"
    ]
