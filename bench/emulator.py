"""The emulator beside what one would use instead, and its goals."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import emulator_sockets
from bench.load import Figures, burst, first, load, text
from bench.processes import Memory, watched
from bench.report import Goal
from bench.serverless_offline import is_available, serverless_offline
from bench.servers import SAMPLE, Served, lampwork, uvicorn

ROUNDS = 3
STARTS = 7
SECONDS = 4
EDITS = 5
CLIENTS = 16
RATIOS = {"uvicorn": 0.28, "serverless-offline": 1.4}

Serve = Callable[[], AbstractContextManager[Served]]


@dataclass
class Measured:
    """Medians of the rounds; times in milliseconds."""

    start: float
    cold: float
    alone: Figures
    together: Figures
    memory: Memory


async def measure() -> list[Goal]:
    with tempfile.TemporaryDirectory() as data:

        def ours() -> AbstractContextManager[Served]:
            return lampwork(data=Path(data))

        with ours() as served:  # so that the template's transform is cached
            await first(served.port, "/hello")
        mine = await _measured(ours)
        bursts = [await _first_burst(ours) for _ in range(ROUNDS)]
    plain = await _measured(uvicorn)
    peers = {"uvicorn": plain}
    if is_available():
        try:
            peers["serverless-offline"] = await _measured(serverless_offline)
        except OSError as error:  # TimeoutError is one
            print(f"serverless-offline could not be measured: {error}")
    edit, after_edit = await _edits()
    return [
        *_http_goals(mine, peers),
        Goal.at_most(f"first burst of {CLIENTS}, slowest, ms", 600, median(bursts)),
        Goal.at_most("edit → new response, ms", 100, edit),
        Goal.at_most("… and one client's p50 after it, ms", 0.7, after_edit),
        *await emulator_sockets.measure(),
    ]


def _http_goals(mine: Measured, peers: dict[str, Measured]) -> list[Goal]:
    def beside(figure: Callable[[Measured], float]) -> dict[str, float]:
        return {name: figure(measured) for name, measured in peers.items()}

    per_second = mine.together.per_second
    goals = [
        Goal.at_most("start → first response, ms", 800, mine.start, beside(lambda m: m.start)),
        Goal.at_most("first (cold) request, ms", 50, mine.cold, beside(lambda m: m.cold)),
        Goal.at_most("one client, p50 ms", 0.7, mine.alone.p50, beside(lambda m: m.alone.p50)),
        Goal.none(
            f"{CLIENTS} clients, requests/s", per_second, beside(lambda m: m.together.per_second)
        ),
        *(
            Goal.at_least(f"… of {name}", limit, per_second / peers[name].together.per_second)
            for name, limit in RATIOS.items()
            if name in peers
        ),
    ]
    pss = Goal.at_most(
        "memory under that load, PSS MB", 200, mine.memory.pss, beside(lambda m: m.memory.pss)
    )
    return [*goals, pss, Goal.none("… RSS MB", mine.memory.rss, beside(lambda m: m.memory.rss))]


async def _measured(serve: Serve) -> Measured:
    starts, colds, alone, together = [], [], [], []
    memory = Memory()
    for number in range(STARTS):
        began = perf_counter()
        with serve() as served:
            await first(served.port, "/", any_status=True)
            colds.append(await first(served.port, "/hello"))
            starts.append((perf_counter() - began) * 1000)
            if number >= ROUNDS:
                continue
            await load(served.port, "/hello", connections=CLIENTS, seconds=1)
            alone.append(await load(served.port, "/hello", connections=1, seconds=SECONDS / 2))
            async with watched(served.pid) as memory:
                together.append(
                    await load(served.port, "/hello", connections=CLIENTS, seconds=SECONDS)
                )
    return Measured(median(starts), median(colds), _middle(alone), _middle(together), memory)


def _middle(rounds: list[Figures]) -> Figures:
    return sorted(rounds, key=lambda figures: figures.per_second)[len(rounds) // 2]


async def _first_burst(serve: Serve) -> float:
    with serve() as served:
        await first(served.port, "/", any_status=True)
        return max(await burst(served.port, "/hello", connections=CLIENTS))


async def _edits() -> tuple[float, float]:
    """From a saved file to its effect, and how fast requests are afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in SAMPLE.iterdir():
            if file.is_file():
                (folder / file.name).write_text(file.read_text())
        with lampwork(folder=folder) as served:
            await first(served.port, "/hello")
            times = [await _edit(served, f"edit {number}") for number in range(EDITS)]
            after = await load(served.port, "/hello", connections=1, seconds=1)
    return median(times), after.p50


async def _edit(served: Served, message: str) -> float:
    app = served.folder / "app.py"
    app.write_text((SAMPLE / "app.py").read_text().replace('"hello"}', f'"{message}"}}'))
    began = perf_counter()
    while message not in await text(served.port, "/hello"):
        pass
    return (perf_counter() - began) * 1000
