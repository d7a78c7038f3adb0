import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.e2e.product import Person, Product, sign_up

TABS, ROUNDS, JITTER_SECONDS = 8, 20, 0.5
BROWSER = {"Sec-Fetch-Site": "same-origin", "X-Token-Delivery": "cookie"}


@pytest.mark.case("E3")
async def test_eight_tabs_that_refresh_together_are_never_signed_out(product: Product):
    with await asyncio.to_thread(sign_up, product) as person:
        for _ in range(ROUNDS):
            async with browser(person) as client:
                before = client.cookies["refresh_token"]
                refreshed = await asyncio.gather(*(tab(client) for _ in range(TABS)))
                assert refreshed == [httpx.codes.OK] * TABS
                assert client.cookies["refresh_token"] != before
                assert (await client.get("/auth/me")).status_code == httpx.codes.OK


@asynccontextmanager
async def browser(person: Person) -> AsyncIterator[httpx.AsyncClient]:
    """One jar of cookies for all tabs, and nothing else that says who it is."""
    account = {"email": person.email, "password": person.password}
    address = f"{person.product.origin}/api/v1"
    async with httpx.AsyncClient(base_url=address, headers=BROWSER, timeout=30) as client:
        (await client.post("/auth/login", json=account)).raise_for_status()
        yield client


async def tab(client: httpx.AsyncClient) -> int:
    """A tab that finds its access token about to expire, as the others do at about that time."""
    await asyncio.sleep(random.uniform(0, JITTER_SECONDS))
    return (await client.post("/auth/refresh")).status_code
