"""The whole story in a terminal: sign up, submit a prompt, watch it live, save the picture."""

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60
SILENCE_SECONDS = 45  # three missed heartbeats
LIMITED_SECONDS = 65  # the limits of a sign-up are by the minute

console = Console()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "prompt", nargs="?", default="a mountain lake at night under a full moon"
    )
    arguments.add_argument("--url", default="http://localhost:8000", help="where the product is")
    arguments.add_argument("--width", type=int, default=768)
    arguments.add_argument("--height", type=int, default=512)
    arguments.add_argument("--style", default="painting")
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--out", type=Path, default=Path("lampwork-demo.png"))
    options = arguments.parse_args()
    try:
        with product(options.url):
            picture = asyncio.run(story(options))
    except (httpx.HTTPError, OSError, TimeoutError, TaskEnded) as error:
        console.print(f"[red]The demo could not finish:[/] {error}")
        return 1
    options.out.write_bytes(picture)
    console.print(f"Saved [bold green]{options.out.resolve()}[/] ({len(picture):,} bytes)")
    return 0


class TaskEnded(Exception):
    """The task ended without a picture."""


@contextmanager
def product(url: str) -> Iterator[None]:
    """Use the product that answers at this address, else run one for the duration of the demo."""
    if answers(url):
        yield
        return
    console.print(f"Nothing answers at {url}: starting `lampwork up` for the demo ...")
    port = str(httpx.URL(url).port or 80)
    command = [str(Path(sys.executable).parent / "lampwork"), "up", "--port", port]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = monotonic() + START_SECONDS
            while not answers(url):
                if process.poll() is not None or monotonic() > deadline:
                    raise TimeoutError("`lampwork up` did not start; run `make dev` to see why.")
            yield
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def story(options: argparse.Namespace) -> bytes:
    """The picture, as PNG."""
    async with httpx.AsyncClient(base_url=f"{options.url}/api/v1", timeout=30) as client:
        account = new_account()
        email, token = await sign_up(client, account)
        console.print(f"Signed up and in as {email}, with the password {account['password']}")
        client.headers["Authorization"] = f"Bearer {token}"
        task = await submit(client, options)
        console.print(f'Asked for "{options.prompt}"; its page: {options.url}/tasks/{task["id"]}')
        last = await watch(options.url, token, task["id"])
        if last["status"] != "completed":
            raise TaskEnded(f"the task {last['status']}: {last['error']}")
        answer = await client.get(f"/tasks/{task['id']}/result")
    # The link carries its own signature, and the storage refuses a second credential.
    async with httpx.AsyncClient() as storage:
        picture = await storage.get(answer.headers["Location"])
    return picture.raise_for_status().content


def new_account() -> dict[str, str]:
    return {
        "email": f"demo-{secrets.token_hex(4)}@example.com",
        "password": secrets.token_urlsafe(16),
    }


async def sign_up(
    client: httpx.AsyncClient, account: dict[str, str] | None = None
) -> tuple[str, str]:
    """A new account, verified and signed in: its address and an access token.

    Everybody at one address shares its rate limits: where one is reached, this waits.
    """
    account = account or new_account()
    registered = await _post(client, "/auth/register", json=account)
    verification = {"token": registered["verification"]["token"]}
    await _post(client, "/auth/verify", params=verification)
    session = await _post(client, "/auth/login", json=account)
    client.cookies.clear()  # it goes on with the bearer token
    return account["email"], str(session["access_token"])


async def _post(client: httpx.AsyncClient, path: str, **rest: Any) -> dict[str, Any]:
    """The answer, once the rate limit has room; its refusal if that takes over LIMITED_SECONDS."""
    give_up = monotonic() + LIMITED_SECONDS
    while True:
        answer = await client.post(path, **rest)
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            return checked(answer)
        seconds = float(answer.headers["Retry-After"])
        if monotonic() + seconds > give_up:
            return checked(answer)
        await asyncio.sleep(seconds)


async def submit(client: httpx.AsyncClient, options: argparse.Namespace) -> dict[str, Any]:
    parameters = {"width": options.width, "height": options.height, "style": options.style}
    if options.seed is not None:
        parameters["seed"] = options.seed
    order = {"prompt": options.prompt, "parameters": parameters}
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    return checked(await client.post("/tasks", json=order, headers=headers))


async def watch(url: str, token: str, task_id: str) -> dict[str, Any]:
    """Show the task's progress until it ends; returns its last frame."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("queued", total=1.0)
        async for frame in frames(url, token, task_id):
            progress.update(bar, description=frame["status"], completed=frame["progress"])
    return frame


async def frames(url: str, token: str, task_id: str) -> AsyncIterator[dict[str, Any]]:
    """The task's states, each once and in order, over as many connections as it takes."""
    last = 0
    address = f"ws{url.removeprefix('http')}/ws/tasks/{task_id}"
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        after = f"?after={last}" if last else ""
        try:
            async with connect(f"{address}{after}", additional_headers=headers) as socket:
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), SILENCE_SECONDS))
                    if frame["type"] in ("snapshot", "update") and frame["sequence"] > last:
                        last = frame["sequence"]
                        yield frame
                        if frame["terminal"]:
                            return
        except (ConnectionClosed, TimeoutError):
            console.print("The connection was lost; taking up where it stopped ...")


def checked(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise httpx.HTTPError(f"{body.get('title')}: {body.get('detail')}")
    return body


if __name__ == "__main__":
    sys.exit(main())
