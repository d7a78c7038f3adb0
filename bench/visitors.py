"""People who sign up at a stack that runs already, as its guests do."""

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from bench.people import PASSWORD

AT_A_TIME = 4


def sign_up_many(port: int, number: int) -> list[Mapping[str, str]]:
    """The headers that name each of them. The stack must hand out tokens in its answers
    (`AUTH_VERIFICATION_DELIVERY=response`).

    Raises:
        HTTPStatusError: it refuses, for example because so many have just signed up.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda _: _sign_up(port), range(number)))


def _sign_up(port: int) -> Mapping[str, str]:
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    with httpx.Client(base_url=f"http://localhost:{port}/api/v1", timeout=60) as client:
        registered = client.post("/auth/register", json=account).raise_for_status().json()
        token = registered["verification"]["token"]
        client.post("/auth/verify", params={"token": token}).raise_for_status()
        session = client.post("/auth/login", json=account).raise_for_status().json()
    return {"Authorization": f"Bearer {session['access_token']}"}
