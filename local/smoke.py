"""Tries a deployment as a stranger would: `python -m local.smoke URL`.

It signs up, submits a task, watches it over a socket, fetches the picture and takes all of it back.
Where sign-ups are confirmed by mail it reads the mail at `--mailbox`, a page that shows it; or it
signs in as SMOKE_EMAIL with SMOKE_PASSWORD. It prints each step with its time, and exits with 1 at
the first that fails.
"""

import argparse
import asyncio
import html
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PNG = b"\x89PNG\r\n\x1a\n"
SIZE = 64
MAIL_SECONDS = 120.0
LOOK_SECONDS = 1.0

Step = Callable[[], Awaitable[str]]


class Failed(Exception):
    """The deployment does not do what it should."""


@dataclass(frozen=True)
class Account:
    email: str
    password: str


class Smoke:
    """The steps, in their order. Each returns a word on what it saw, and raises if it is wrong."""

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        account: Account | None = None,
        mail_domain: str = "example.com",
        mailbox: str | None = None,
        seconds: float = 120,
    ) -> None:
        self._url = url
        self._client = client
        self._own = account is None
        self._account = account or Account(
            f"smoke-{secrets.token_hex(6)}@{mail_domain}", secrets.token_urlsafe(18)
        )
        self._mailbox = mailbox or f"{url}/mailbox"
        self._seconds = seconds
        self._token = ""
        self._task: dict[str, Any] = {}

    async def run(self) -> bool:
        steps: list[tuple[str, Step]] = [
            ("health", self.health),
            ("no entry without a sign-in", self.refusal),
            *([("sign-up", self.sign_up)] if self._own else []),
            ("sign-in", self.sign_in),
            ("task", self.submit),
            ("live status", self.watch),
            ("picture", self.picture),
            ("clearing up", self.clear_up),
        ]
        for name, step in steps:
            began = time.monotonic()
            try:
                said = await step()
            except (Failed, httpx.HTTPError, OSError, TimeoutError, WebSocketException) as error:
                print(f"FAILED  {name}: {error or type(error).__name__}")
                return False
            print(f"ok      {name}: {said} ({time.monotonic() - began:.1f} s)")
        return True

    async def health(self) -> str:
        answer = await self._client.get("/api/health")
        status = _member(answer, "status")
        if answer.status_code != 200 or status == "down":
            raise Failed(f"{answer.status_code}, {status}")
        return status

    async def refusal(self) -> str:
        answer = await self._client.get("/api/v1/tasks")
        if answer.status_code != 401:
            raise Failed(f"{answer.status_code} in place of 401")
        return "401"

    async def sign_up(self) -> str:
        account = {"email": self._account.email, "password": self._account.password}
        registered = await self._called("POST", "/auth/register", json=account)
        told = registered.json().get("verification") or {}
        token = told.get("token") or await self._mailed_token()
        await self._called("POST", "/auth/verify", json={"token": token})
        return self._account.email

    async def sign_in(self) -> str:
        account = {"email": self._account.email, "password": self._account.password}
        answer = await self._called("POST", "/auth/login", json=account)
        self._client.cookies.clear()  # it goes on with the bearer token
        self._token = _member(answer, "access_token")
        self._client.headers["Authorization"] = f"Bearer {self._token}"
        return "a token"

    async def submit(self) -> str:
        order = {"prompt": "a lighthouse", "parameters": {"width": SIZE, "height": SIZE}}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        answer = await self._called("POST", "/tasks", json=order, headers=headers)
        self._task = answer.json()
        return _member(answer, "status")

    async def watch(self) -> str:
        address = f"ws{self._url.removeprefix('http')}/ws/tasks/{self._task['id']}"
        headers = {"Authorization": f"Bearer {self._token}"}
        frames: list[dict[str, Any]] = []
        async with (
            asyncio.timeout(self._seconds),
            connect(address, additional_headers=headers) as socket,
        ):
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] in ("snapshot", "update"):
                    frames.append(frame)
        _check_frames(frames)
        return f"{len(frames)} frames, {frames[-1]['status']}"

    async def picture(self) -> str:
        link = await self._called("GET", f"/tasks/{self._task['id']}/result", expected=307)
        # The link carries its own signature, and the storage refuses a second credential.
        async with httpx.AsyncClient(timeout=30) as storage:
            answer = await storage.get(link.headers["Location"])
        if answer.status_code != 200 or not answer.content.startswith(PNG):
            raise Failed(f"{answer.status_code}, {answer.headers.get('Content-Type')}")
        return f"{len(answer.content):,} bytes"

    async def clear_up(self) -> str:
        await self._called("DELETE", f"/tasks/{self._task['id']}")
        if not self._own:
            await self._called("POST", "/auth/logout")
            return "signed out"
        await self._called("DELETE", "/auth/me")
        return "account closed"

    async def _called(
        self, method: str, path: str, *, expected: int | None = None, **options: Any
    ) -> httpx.Response:
        answer = await self._client.request(method, f"/api/v1{path}", **options)
        if answer.is_error or expected not in (None, answer.status_code):
            said = _member(answer, "detail")
            raise Failed(f"{method} {path}: {answer.status_code} {said}")
        return answer

    async def _mailed_token(self) -> str:
        """What the mailbox's page shows of the newest mail to this account."""
        give_up = time.monotonic() + min(self._seconds, MAIL_SECONDS)
        while time.monotonic() < give_up:
            page = (await self._client.get(self._mailbox)).text
            _, _, newest = html.unescape(page).partition(self._account.email)
            if found := re.search(r'#([^"\'\s<>]+)', newest):
                return found[1].partition("=")[2] or found[1]
            await asyncio.sleep(LOOK_SECONDS)
        raise Failed(f"No mail to {self._account.email} at {self._mailbox}")


def _check_frames(frames: list[dict[str, Any]]) -> None:
    if not frames or frames[0]["type"] != "snapshot":
        raise Failed("the socket closed without a snapshot")
    sequences = [frame["sequence"] for frame in frames]
    if sequences != list(range(sequences[0], sequences[0] + len(sequences))):
        raise Failed(f"states are missing or out of order: {sequences}")
    if frames[-1]["status"] != "completed":
        raise Failed(f"the task is {frames[-1]['status']}: {frames[-1]['error']}")


def _member(answer: httpx.Response, name: str) -> str:
    try:
        return str(answer.json()[name])
    except (ValueError, KeyError, TypeError):
        return f"no {name} in the answer"


async def smoke(options: argparse.Namespace) -> bool:
    url = options.url.rstrip("/")
    given = os.environ.get("SMOKE_EMAIL"), os.environ.get("SMOKE_PASSWORD")
    account = Account(*given) if all(given) else None  # type: ignore[arg-type]
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        return await Smoke(
            url,
            client,
            account=account,
            mail_domain=options.mail_domain,
            mailbox=options.mailbox,
            seconds=options.seconds,
        ).run()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="such as https://app.example.com")
    parser.add_argument(
        "--mail-domain", default="example.com", help="where the account's mail goes"
    )
    parser.add_argument("--mailbox", help="a page with those mails; by default URL/mailbox")
    parser.add_argument("--seconds", type=float, default=120, help="how long a task may take")
    return 0 if asyncio.run(smoke(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
