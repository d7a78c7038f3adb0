import httpx
import pytest

from lampwork.stack.authorization import Cors, IamAuthorizer
from lampwork.stack.model import HttpApi, HttpRoute
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack

SHOP = "https://shop.example"
CORS = Cors(
    allow_origins=(SHOP, "http://*"),
    allow_methods=("GET", "POST"),
    allow_headers=("authorization", "x-a"),
    expose_headers=("x-count",),
    max_age=300,
    allow_credentials=True,
)


def work(event):
    headers = {"Access-Control-Allow-Origin": "*", "access-control-max-age": "1", "x-count": "3"}
    method = event["requestContext"]["http"]["method"]
    return {"statusCode": 200, "headers": headers, "body": method}


@pytest.fixture
async def fetch(tmp_path):
    running = []

    async def fetch(cors, method, path="/items", **headers):
        routes = (
            HttpRoute("ANY", "/items", "work"),
            HttpRoute("GET", "/signed", "work", authorizer=IamAuthorizer()),
        )
        api = HttpApi("Api", "abc123defg", "$default", routes, cors=cors)
        front = running_front(stack(api), FakeInvoker(work=work), tmp_path)
        running.append(front)
        origin = (await front.__aenter__()).origin
        async with httpx.AsyncClient() as client:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, origin + path, headers=sent)

    yield fetch
    for front in running:
        await front.__aexit__(None, None, None)


def cors_headers(response: httpx.Response) -> dict[str, str]:
    prefix = "access-control-"
    return {
        name.removeprefix(prefix): value
        for name, value in response.headers.items()
        if name.startswith(prefix)
    }


async def test_a_preflight_request_is_answered_without_the_function(fetch):
    response = await fetch(
        CORS, "OPTIONS", "/nowhere", origin=SHOP, access_control_request_method="GET"
    )

    assert (response.status_code, response.content) == (204, b"")
    assert cors_headers(response) == {
        "allow-origin": SHOP,
        "allow-methods": "GET,POST",
        "allow-headers": "authorization,x-a",
        "max-age": "300",
        "allow-credentials": "true",
        "expose-headers": "x-count",
    }


async def test_a_preflight_request_needs_no_authorization(fetch):
    response = await fetch(
        CORS, "OPTIONS", "/signed", origin=SHOP, access_control_request_method="GET"
    )

    assert response.status_code == 204


async def test_another_origin_gets_no_cors_headers(fetch):
    preflight = await fetch(
        CORS, "OPTIONS", origin="https://evil.example", access_control_request_method="GET"
    )
    request = await fetch(CORS, "GET", origin="https://evil.example")

    assert (preflight.status_code, cors_headers(preflight)) == (204, {})
    assert (request.status_code, cors_headers(request)) == (200, {})


async def test_the_settings_replace_the_functions_own_headers(fetch):
    response = await fetch(CORS, "GET", origin=SHOP)

    assert response.headers["x-count"] == "3"
    assert cors_headers(response) == {
        "allow-origin": SHOP,
        "allow-credentials": "true",
        "expose-headers": "x-count",
    }


async def test_an_allowed_origin_can_read_a_refusal(fetch):
    response = await fetch(CORS, "GET", "/signed", origin=SHOP)

    assert response.status_code == 403
    assert cors_headers(response)["allow-origin"] == SHOP


@pytest.mark.parametrize(
    ("cors", "origin", "allowed"),
    [
        (Cors(allow_origins=("*",)), SHOP, "*"),
        (CORS, "http://localhost:3000", "http://localhost:3000"),
        (CORS, SHOP + ".evil.example", None),
    ],
)
async def test_origins_may_be_wildcards(fetch, cors, origin, allowed):
    response = await fetch(cors, "GET", origin=origin)

    assert cors_headers(response).get("allow-origin") == allowed


async def test_other_options_requests_reach_the_function(fetch):
    response = await fetch(CORS, "OPTIONS", origin=SHOP)

    assert (response.status_code, response.text) == (200, "OPTIONS")


async def test_without_settings_the_functions_own_headers_are_sent(fetch):
    response = await fetch(None, "OPTIONS", origin=SHOP, access_control_request_method="GET")

    assert (response.status_code, response.text) == (200, "OPTIONS")
    assert cors_headers(response) == {"allow-origin": "*", "max-age": "1"}
