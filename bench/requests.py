"""HTTP requests of many clients, each with one keep-alive connection and one request at a time."""

import asyncio
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter

from bench.light_client import LightConnection


@dataclass(frozen=True)
class Figures:
    """The result of a load: latencies in milliseconds, answers per second, answers by status."""

    latencies: tuple[float, ...]
    per_second: float
    statuses: Counter[int]

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 99)

    @property
    def refused(self) -> Counter[int]:
        """The answers that are no success, by status."""
        return Counter({each: n for each, n in self.statuses.items() if not 200 <= each < 300})


def percentile(values: Iterable[float], percent: float) -> float:
    """The value below which so many percent of them lie: of a few the largest, of none NaN."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def request(
    port: int,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> bytes:
    """The bytes of a request; a body is sent as JSON."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    data = b"" if body is None else json.dumps(body).encode()
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def ask(connection: LightConnection, asked: bytes) -> Answer:
    """Send a request over an open connection.

    Raises:
        ConnectionResetError: the server has ended the connection.
    """
    connection.send(asked)
    head = (await connection.response()).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return Answer(int(head.split(b" ", 2)[1]), await connection.body(int(length or 0)))


async def load(port: int, path: str, *, connections: int, seconds: float) -> Figures:
    """GET a path from so many clients for some seconds.

    Raises:
        OSError: an answer was no 200.
    """
    figures = await send(port, [repeat(request(port, path))] * connections, seconds=seconds)
    if figures.refused:
        raise OSError(f"{path} was answered with {dict(figures.refused)}.")
    return figures


async def send(port: int, clients: Sequence[Iterable[bytes]], *, seconds: float) -> Figures:
    """Each client sends its own requests, at least one, until it has none left or the time is
    over."""
    started = perf_counter()
    sent = await asyncio.gather(*(_send(port, each, started + seconds) for each in clients))
    answers = [each for many in sent for each in many]
    return Figures(
        tuple(latency for latency, _ in answers),
        len(answers) / (perf_counter() - started),
        Counter(status for _, status in answers),
    )


async def burst(port: int, path: str, *, connections: int) -> list[float]:
    """Send one request over each of many connections at once; milliseconds of each answer."""
    return list((await load(port, path, connections=connections, seconds=0)).latencies)


async def time_to_answer(
    port: int, path: str, *, seconds: float = 60, any_status: bool = False
) -> float:
    """Milliseconds from now until the path answers 200, or with `any_status` anything.

    Raises:
        TimeoutError: it did not answer within `seconds`.
    """
    started = perf_counter()
    while perf_counter() - started < seconds:
        try:
            await get_text(port, path, any_status=any_status)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            return (perf_counter() - started) * 1000
    raise TimeoutError(f"Port {port} did not answer within {seconds:g} s.")


async def get_text(port: int, path: str, *, any_status: bool = False) -> str:
    """GET a path; the body of the answer.

    Raises:
        OSError: no connection, or a status other than 200.
    """
    connection = await LightConnection.open(port)
    try:
        answer = await ask(connection, request(port, path))
    finally:
        connection.close()
    if answer.status != 200 and not any_status:
        raise OSError(f"{path} was answered with {answer.status}.")
    return answer.body.decode()


async def _send(port: int, requests: Iterable[bytes], until: float) -> list[tuple[float, int]]:
    """The milliseconds and the status of each answer."""
    connection = await LightConnection.open(port)
    answers: list[tuple[float, int]] = []
    try:
        for each in requests:
            started = perf_counter()
            status = (await ask(connection, each)).status
            answers.append(((perf_counter() - started) * 1000, status))
            if perf_counter() >= until:
                break
    finally:
        connection.close()
    return answers
