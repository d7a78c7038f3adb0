import asyncio
import statistics
from dataclasses import dataclass
from time import perf_counter

from bench.light_client import LightConnection


@dataclass(frozen=True)
class Figures:
    """The result of a load: latencies in milliseconds, answers per second."""

    latencies: tuple[float, ...]
    per_second: float

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * 0.99) - 1]


async def load(port: int, path: str, *, connections: int, seconds: float) -> Figures:
    """GET a path over keep-alive connections, one request at a time on each, for some seconds."""
    started = perf_counter()
    workers = [_request_until(port, path, started + seconds) for _ in range(connections)]
    latencies = [each for many in await asyncio.gather(*workers) for each in many]
    return Figures(tuple(latencies), len(latencies) / (perf_counter() - started))


async def burst(port: int, path: str, *, connections: int) -> list[float]:
    """Send one request over each of many connections at once; milliseconds of each answer."""
    return [
        each
        for many in await asyncio.gather(
            *(_request_until(port, path, 0) for _ in range(connections))
        )
        for each in many
    ]


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
        connection.send(_request(port, path))
        return (await _answer(connection, any_status=any_status)).decode()
    finally:
        connection.close()


async def _request_until(port: int, path: str, until: float) -> list[float]:
    """Send at least one request, and more until the time is over; latencies in milliseconds."""
    connection = await LightConnection.open(port)
    request = _request(port, path)
    latencies: list[float] = []
    try:
        while not latencies or perf_counter() < until:
            started = perf_counter()
            connection.send(request)
            await _answer(connection)
            latencies.append((perf_counter() - started) * 1000)
    finally:
        connection.close()
    return latencies


def _request(port: int, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()


async def _answer(connection: LightConnection, *, any_status: bool = False) -> bytes:
    head = (await connection.response()).lower()
    if not any_status and b" 200 " not in head.partition(b"\r\n")[0]:
        raise OSError(head.partition(b"\r\n")[0].decode())
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return await connection.body(length)
