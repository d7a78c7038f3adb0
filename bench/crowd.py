"""Many people who submit tasks at the same moment, and follow each over a socket to its end."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from bench.light_client import LightConnection, open_socket
from bench.requests import ask, request

SIDE = 256
PATIENCE_SECONDS = 600
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0


@dataclass
class Seen:
    """What the crowd saw: times in milliseconds, `errors` and ends by what was said of them."""

    posts: list[float] = field(default_factory=list)
    handshakes: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def orders(number: int) -> list[dict[str, Any]]:
    """Bodies of requests for so many different pictures, the same ones each time."""
    size = {"width": SIDE, "height": SIDE, "style": "painting"}
    prompt = "lanterns in a harbour town at night"
    return [{"prompt": prompt, "parameters": {**size, "seed": seed}} for seed in range(number)]


async def come_at_once(port: int, people: Sequence[Mapping[str, str]], tasks: int) -> Seen:
    """Each of the people, given by the headers that name them, submits so many tasks."""
    seen, ordered = Seen(), iter(orders(len(people) * tasks))
    began = perf_counter()
    await asyncio.gather(
        *(
            _submit_and_watch(port, headers, next(ordered), seen)
            for _ in range(tasks)
            for headers in people
        )
    )
    seen.seconds = perf_counter() - began
    return seen


async def _submit_and_watch(
    port: int, headers: Mapping[str, str], order: Mapping[str, Any], seen: Seen
) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            task_id = await _submit(port, headers, order, seen)
            if task_id is not None:
                seen.ends[await _watch(port, headers, task_id, seen)] += 1
    except TimeoutError:
        seen.errors[f"no end within {PATIENCE_SECONDS} s"] += 1


async def _submit(
    port: int, headers: Mapping[str, str], order: Mapping[str, Any], seen: Seen
) -> str | None:
    """The id of the task; None if it was refused."""
    began = perf_counter()
    try:
        connection = await LightConnection.open(port)
        try:
            path = "/api/v1/tasks"
            asked = request(port, path, method="POST", headers=headers, body=order)
            answer = await ask(connection, asked)
        finally:
            connection.close()
    except OSError as error:
        seen.errors[f"POST: {type(error).__name__}"] += 1
        return None
    finally:
        seen.posts.append((perf_counter() - began) * 1000)
    if answer.status != 202:
        seen.errors[f"POST: {answer.status}"] += 1
        return None
    return str(json.loads(answer.body)["id"])


async def _watch(port: int, headers: Mapping[str, str], task_id: str, seen: Seen) -> str:
    """Follow the task to its end, over as many sockets as it takes. Returns how it ended."""
    after, pause = "", FIRST_PAUSE_SECONDS
    while True:
        began = perf_counter()
        try:
            socket = await open_socket(port, f"/ws/tasks/{task_id}{after}", headers)
        except OSError as error:
            status = str(error).split(" ", 2)[1:2] or [type(error).__name__]
            seen.errors[f"socket: {status[0]}"] += 1
        else:
            seen.handshakes.append((perf_counter() - began) * 1000)
            try:
                while True:
                    frame = json.loads(await socket.message())
                    if frame["type"] in ("snapshot", "update"):
                        after = f"?after={frame['sequence']}"
                        if frame["terminal"]:
                            return str(frame["status"])
            except ConnectionResetError:
                seen.errors["socket: ended early"] += 1
            finally:
                socket.close()
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
