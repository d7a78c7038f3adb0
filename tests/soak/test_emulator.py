"""The emulator under mixed load for `SOAK_MINUTES` (30): requests, sockets, invokes and reloads.

Nothing may fail that should not, memory must stay flat, and nothing be left: no zombie, no file.
"""

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.emulator.lampwork_process import SampleProject, family

pytestmark = pytest.mark.soak

SECONDS = 60 * float(os.environ.get("SOAK_MINUTES", "30"))
# Pauses between each client's actions: short enough to be load, long enough not to block others.
PAUSE_SECONDS = float(os.environ.get("SOAK_PAUSE_SECONDS", "0.05"))
RELOAD_SECONDS = 10
SAMPLE_SECONDS = 5
# Far longer than anything takes, since the machine may be busy: whatever hangs is still found.
LONGEST_SECONDS = 60
WARM_UP = 0.25
FLAT = 1.05

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 10, MemorySize: 256, CodeUri: .}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.hello
      Events:
        Get: {Type: HttpApi, Properties: {Method: ANY, Path: "/hello/{name}"}}
  Worse:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.worse}
  Socket:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.socket}
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      StageName: prod
      Routes:
        $connect: {FunctionArn: !GetAtt Socket.Arn}
        $disconnect: {FunctionArn: !GetAtt Socket.Arn}
        $default: {FunctionArn: !GetAtt Socket.Arn}
"""
APP = """\
import json, os, time
import boto3

VERSION = 0
connections = boto3.client("apigatewaymanagementapi", region_name="us-east-1")

def hello(event, context):
    print("a line of the log")
    size = len(event.get("body", ""))
    return {"statusCode": 200, "body": json.dumps({"version": VERSION, "size": size})}

def worse(event, context):
    if event == "exit":
        os._exit(3)
    raise ValueError("on purpose")

def socket(event, context):
    if event["requestContext"]["eventType"] == "MESSAGE":
        connections.post_to_connection(
            ConnectionId=event["requestContext"]["connectionId"], Data=event["body"]
        )
    return {"statusCode": 200}
"""
CONFIG = '[tool.lampwork]\nport = 0\nservices = []\npreload = ["boto3"]\n'


@dataclass
class Soak:
    project: SampleProject
    origin: str
    pid: int
    until: float
    done: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    zombies: set[int] = field(default_factory=set)

    async def repeat(self, name: str, act: Callable[[], Awaitable[None]], pause: float) -> None:
        while time.monotonic() < self.until:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    await act()
            except Exception as error:  # each is counted, and any fails the test
                self.wrong[f"{name}: {error!r}"] += 1
            else:
                self.done[name] += 1
            await asyncio.sleep(pause)


async def test_the_emulator_withstands_mixed_load(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    project = SampleProject(tmp_path)
    lampwork = project.up()
    soak = Soak(project, lampwork.origin(), lampwork.pid, time.monotonic() + SECONDS)
    try:
        async with httpx.AsyncClient(base_url=soak.origin, timeout=LONGEST_SECONDS) as client:
            await load(soak, client)
        files = await settled_files(soak)
    finally:
        status = lampwork.stop()
        project.close()

    print(f"\n{SECONDS:.0f} s: {dict(soak.done)}; wrong: {dict(soak.wrong)}")
    early, late = windows(soak.memory)
    print(f"memory {early:.1f} → {late:.1f} MB ({late / early:.3f}); files {files}")
    assert soak.wrong == {}
    assert min(soak.done[name] for name in ("get", "post", "socket", "invoke", "reload")) > 0
    assert late / early <= FLAT
    assert soak.zombies == set()
    assert files[1] <= files[0]
    assert status == 0


async def load(soak: Soak, client: httpx.AsyncClient) -> None:
    async def get() -> None:
        assert (await client.get("/hello/ada")).status_code == 200

    async def post() -> None:
        answer = await client.post("/hello/ada", content=b"a" * 50_000)
        assert answer.json()["size"] >= 50_000

    async def invoke() -> None:
        await invoked(client, "Hello", {}, None)
        await invoked(client, "Worse", "raise", "ValueError")
        await invoked(client, "Worse", "exit", "Runtime.ExitError")

    async def sockets() -> None:
        address = soak.origin.replace("http", "ws") + "/prod"
        async with connect(address, open_timeout=LONGEST_SECONDS) as socket:
            for number in range(10):
                await socket.send(f"message {number}")
                assert await socket.recv() == f"message {number}"

    async def reload() -> None:
        version = soak.done["reload"] + 1
        app = soak.project.root / "app.py"
        # Replaced atomically, as editors do: a process that starts meanwhile must not load half a
        # file.
        saved = app.with_suffix(".saved")
        saved.write_text(APP.replace("VERSION = 0", f"VERSION = {version}"))
        saved.replace(app)
        while (await client.get("/hello/ada")).json()["version"] != version:
            await asyncio.sleep(0.02)

    async def observe() -> None:
        soak.memory.append(own_megabytes(soak.pid))
        dead = {pid for pid in family(soak.pid) if is_zombie(pid)}
        # A process that has just ended is reaped before the next observation.
        soak.zombies |= dead & soak.dead
        soak.dead = dead
        assert (await client.get("/_lampwork/metrics")).status_code == 200

    await asyncio.gather(
        *(soak.repeat("get", get, PAUSE_SECONDS) for _ in range(4)),
        soak.repeat("post", post, PAUSE_SECONDS),
        soak.repeat("invoke", invoke, 20 * PAUSE_SECONDS),
        *(soak.repeat("socket", sockets, 10 * PAUSE_SECONDS) for _ in range(3)),
        soak.repeat("reload", reload, RELOAD_SECONDS),
        soak.repeat("observe", observe, SAMPLE_SECONDS),
    )


async def invoked(client: httpx.AsyncClient, name: str, event: object, error: str | None) -> None:
    path = f"/2015-03-31/functions/{name}/invocations"
    answer = await client.post(path, content=json.dumps(event))
    assert answer.status_code == 200
    found = answer.json().get("errorType") if "x-amz-function-error" in answer.headers else None
    assert found == error


async def settled_files(soak: Soak) -> tuple[int, int]:
    """The emulator's open files: what it has with no client and no environment but the idle, at
    most, and what is there once the load is over."""
    idle = len(family(soak.pid)) - 1  # without the fork server
    # Each idle environment has a pipe, a listening socket and a connection.
    expected = FILES_WITHOUT_ENVIRONMENTS + 3 * idle
    deadline = time.monotonic() + 10
    while (found := len(os.listdir(f"/proc/{soak.pid}/fd"))) > expected:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    return expected, found


# Standard streams, the event loop's own, the listeners, watchers, lock, log and fork server.
FILES_WITHOUT_ENVIRONMENTS = 30


def own_megabytes(pid: int) -> float:
    """Private memory of the emulator's own process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def windows(memory: list[float]) -> tuple[float, float]:
    """Medians of as many samples, after the warm-up and at the end."""
    warm = memory[int(len(memory) * WARM_UP) :]
    size = max(1, len(warm) // 4)
    return statistics.median(warm[:size]), statistics.median(warm[-size:])
