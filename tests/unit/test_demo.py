"""How the demo, `make seed` and the stack's checks sign up."""

from collections.abc import Iterator

import httpx
import pytest

from local.demo import sign_up

ANSWERS = {
    "/auth/register": {"verification": {"token": "ev1_token"}},
    "/auth/verify": {},
    "/auth/login": {"access_token": "at"},
}


def client(refusals: Iterator[httpx.Response]) -> httpx.AsyncClient:
    """For a product that gives these refusals before it verifies."""

    def answer(request: httpx.Request) -> httpx.Response:
        refusal = next(refusals, None) if request.url.path == "/auth/verify" else None
        return refusal or httpx.Response(200, json=ANSWERS[request.url.path])

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://product")


def limited(seconds: int) -> httpx.Response:
    problem = {"title": "Too many requests", "detail": "Wait."}
    return httpx.Response(429, json=problem, headers={"Retry-After": str(seconds)})


async def test_a_sign_up_waits_where_a_rate_limit_is_reached():
    refusals = iter([limited(0), limited(0)])
    async with client(refusals) as product:
        _, token = await sign_up(product)

    assert token == "at"
    assert next(refusals, None) is None


async def test_a_sign_up_that_would_have_to_wait_for_hours_says_why_it_cannot():
    async with client(iter([limited(3600)])) as product:
        with pytest.raises(httpx.HTTPError, match="Too many requests: Wait"):
            await sign_up(product)
