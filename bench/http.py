"""One FastAPI route: served by uvicorn, and as a function behind the emulator."""

from bench.load import first, load
from bench.report import Row
from bench.servers import lampwork, uvicorn

SECONDS = 4


async def measure() -> list[Row]:
    sequential, parallel = {}, {}
    for name, serve in (("uvicorn", uvicorn), ("lampwork", lampwork)):
        with serve() as port:
            await first(port, "/hello")
            await load(port, "/hello", connections=16, seconds=1)
            sequential[name] = await load(port, "/hello", connections=1, seconds=SECONDS)
            parallel[name] = await load(port, "/hello", connections=16, seconds=SECONDS)
    return [
        Row(
            "one client, p50 ms",
            {name: figures.p50 for name, figures in sequential.items()},
        ),
        Row(
            "one client, p99 ms",
            {name: figures.p99 for name, figures in sequential.items()},
        ),
        Row(
            "16 clients, requests/s",
            {name: figures.per_second for name, figures in parallel.items()},
        ),
    ]
