"""The product as people run it: `lampwork up` in a process of its own, and people who use it."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import ROOT
from tests.waiting import until

LAMPWORK = str(Path(sys.executable).parent / "lampwork")
START_SECONDS = 120  # on a machine that many others use too; three seconds on one of its own


@dataclass
class Product:
    """A running `lampwork up`."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    log: Path

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def session(self) -> int:
        return self.process.pid

    def invoke(self, function: str, event: dict[str, Any]) -> None:
        """Run a function as from the console."""
        path = f"/2015-03-31/functions/{function}/invocations"
        answer = httpx.post(f"{self.origin}{path}", json=event, timeout=30)
        assert "X-Amz-Function-Error" not in answer.raise_for_status().headers, answer.text

    def until_it_answers(self, seconds: float, *, says: str = "") -> None:
        """Wait until it serves and its log `says` this; fails with the log if it ends before, or
        is not up in time."""
        deadline = time.monotonic() + seconds
        while says not in self.log.read_text() or not answers(self):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"The product did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@contextmanager
def running(
    data: Path,
    *,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    verbose: bool = False,
    reload: bool = False,
    repository: Path | None = None,
) -> Iterator[Product]:
    """Start the product on a data folder; stop it at the end if it still runs. It may run from a
    copy of the repository, which is there to be edited."""
    product = start(
        data,
        environment=environment,
        port=port,
        verbose=verbose,
        reload=reload,
        repository=repository,
    )
    try:
        yield product
    finally:
        if product.process.poll() is None:
            product.stop()


def start(
    data: Path,
    *,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    verbose: bool = False,
    reload: bool = False,
    repository: Path | None = None,
) -> Product:
    port = port or free_port()
    data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.log"
    options = [part for pair in (environment or {}).items() for part in ("--env", "=".join(pair))]
    if verbose:
        options.append("--verbose")
    if not reload:
        options.append("--no-reload")
    variables = dict(os.environ)
    if repository is not None:
        variables["PYTHONPATH"] = f"{repository}{os.pathsep}{repository / 'local'}"
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("a") as output:
        process = subprocess.Popen(
            [LAMPWORK, "up", "--port", str(port), "--data", str(data), *options],
            cwd=repository or ROOT,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    product = Product(process, port, data, log)
    product.until_it_answers(START_SECONDS, says=product.origin)
    return product


def answers(product: Product) -> bool:
    try:
        return httpx.get(f"{product.origin}/api/health", timeout=10).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Person:
    """Somebody with an account, signed in."""

    product: Product
    email: str
    password: str
    user_id: str
    token: str
    cookies: dict[str, str]
    client: httpx.Client = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def submit(self, prompt: str, **parameters: Any) -> dict[str, Any]:
        answer = self.client.post("/tasks", json={"prompt": prompt, "parameters": parameters})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def submit_slow(self, seconds: int) -> dict[str, Any]:
        """Submit a task that runs for this many seconds: see `tests.e2e.painters`."""
        return self.submit(str(seconds), width=64, height=64)

    def put_on_plan(self, plan: str) -> None:
        """Have operations change the plan, as from the console: large pictures need `pro`."""
        self.product.invoke("OpsSetPlan", {"user_id": self.user_id, "plan": plan})

    def mailed_token(self, recipient: str | None = None) -> str:
        """The token that was mailed to this person, or to somebody else, once it has come."""
        self.product.invoke("TasksSweep", {})  # the next sweep would send it too
        until(lambda: self._mailed_link(recipient) is not None)
        link = self._mailed_link(recipient)
        assert link is not None
        return link.partition("=")[2]

    def _mailed_link(self, recipient: str | None) -> str | None:
        mailbox = httpx.get(f"{self.product.origin}/mailbox", timeout=30).text
        _, _, newest = mailbox.partition(f"To {recipient or self.email} ")
        found = re.search(r'href="[^"]*#([^"]+)"', newest.partition("</article>")[0])
        return found[1] if found else None

    def picture(self, task_id: str) -> bytes:
        link = self.client.get(f"/tasks/{task_id}/result")
        assert link.status_code == httpx.codes.TEMPORARY_REDIRECT, link.text
        return httpx.get(link.headers["location"]).raise_for_status().content

    def socket(self, task_id: str, *, query: str = "", **options: Any) -> connect:
        """A WebSocket on the task, with the bearer token unless `additional_headers` says else."""
        options.setdefault("additional_headers", {"Authorization": f"Bearer {self.token}"})
        return connect(f"ws://localhost:{self.product.port}/ws/tasks/{task_id}{query}", **options)

    async def watch(self, task_id: str) -> list[dict[str, Any]]:
        """Every state frame until the end, heartbeats left out."""
        async with self.socket(task_id) as socket:
            return [frame async for frame in states(socket)]


def sign_up(product: Product) -> Person:
    """Register, verify and sign in somebody new."""
    account = {
        "email": f"{secrets.token_hex(6)}@example.com",
        "password": "correct horse battery staple",
    }
    address = f"{product.origin}/api/v1"
    with httpx.Client(base_url=address, timeout=30) as client:
        registered = client.post("/auth/register", json=account).raise_for_status().json()
        token = registered["verification"]["token"]
        client.post("/auth/verify", params={"token": token}).raise_for_status()
        signed_in = client.post("/auth/login", json=account).raise_for_status().json()
        cookies = dict(client.cookies)
    token = signed_in["access_token"]
    return Person(
        product=product,
        **account,
        user_id=signed_in["user"]["id"],
        token=token,
        cookies=cookies,
        client=httpx.Client(
            base_url=address, timeout=30, headers={"Authorization": f"Bearer {token}"}
        ),
    )


async def states(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    async for text in socket:
        frame: dict[str, Any] = json.loads(text)
        if frame["type"] in ("snapshot", "update"):
            yield frame


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


def processes_of(product: Product) -> list[Process]:
    """Everything that runs for this product: by its data folder in the environment."""
    mark = str(product.data)
    return [process for process in all_processes() if mark in _environment(process.pid)]


def all_processes() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield Process(int(entry.name), parent, command)


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return ""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
