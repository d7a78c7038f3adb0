"""The emulator, its goals, and what one would use instead."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import emulator_sockets
from bench.process_memory import memory_peak
from bench.report import Goal
from bench.requests import burst, get_text, load, time_to_answer
from bench.rounds import Round, Rounds
from bench.serverless_offline import is_available, serverless_offline
from bench.servers import SAMPLE, Served, lampwork, uvicorn

ROUNDS = 3
STARTS = 7
SECONDS = 4
# serverless-offline starts a process for each client, which must not fall into the measurement.
WARM_UP_SECONDS = 5
EDITS = 5
CLIENTS = 16
RATIOS = {"uvicorn": 0.28, "serverless-offline": 1.4}

Serve = Callable[[], AbstractContextManager[Served]]


async def measure() -> list[Goal]:
    with tempfile.TemporaryDirectory() as data:

        def serve_ours() -> AbstractContextManager[Served]:
            return lampwork(data=Path(data))

        with serve_ours() as served:  # so that the template's transform is cached
            await time_to_answer(served.port, "/hello")
        ours, peers = await _side_by_side(serve_ours)
        bursts = [await _first_burst(serve_ours) for _ in range(ROUNDS)]
    edit, after_edit = await _edits()
    return [
        *_http_goals(ours, peers),
        Goal.at_most(f"first burst of {CLIENTS}, slowest, ms", 600, median(bursts)),
        Goal.at_most("edit → new response, ms", 100, edit),
        Goal.at_most("… and one client's p50 after it, ms", 0.7, after_edit),
        *await emulator_sockets.measure(),
    ]


def _http_goals(ours: Rounds, peers: dict[str, Rounds]) -> list[Goal]:
    def beside(figure: Callable[[Rounds], float]) -> dict[str, float]:
        return {name: figure(rounds) for name, rounds in peers.items()}

    return [
        Goal.at_most("start → first response, ms", 800, ours.start, beside(lambda r: r.start)),
        Goal.at_most("first (cold) request, ms", 50, ours.cold, beside(lambda r: r.cold)),
        Goal.at_most("one client, p50 ms", 0.7, ours.one_client, beside(lambda r: r.one_client)),
        Goal.without_limit(
            f"{CLIENTS} clients, requests/s",
            median(ours.per_second),
            beside(lambda r: median(r.per_second)),
        ),
        *(
            Goal.at_least(f"… of {name}", limit, ours.ratio(peers[name]))
            for name, limit in RATIOS.items()
            if name in peers
        ),
        Goal.at_most("memory under that load, PSS MB", 200, ours.pss, beside(lambda r: r.pss)),
        Goal.without_limit("… RSS MB", ours.rss, beside(lambda r: r.rss)),
    ]


async def _side_by_side(serve_ours: Serve) -> tuple[Rounds, dict[str, Rounds]]:
    servers = {"lampwork": serve_ours, "uvicorn": uvicorn}
    if is_available():
        servers["serverless-offline"] = serverless_offline
    rounds = {name: Rounds() for name in servers}
    for number in range(STARTS):
        for name, serve in list(servers.items()):
            try:
                rounds[name].append(await _round(serve, under_load=number < ROUNDS))
            except OSError as error:  # TimeoutError is one
                if name == "lampwork":
                    raise
                print(f"{name} could not be measured: {error}")
                del servers[name], rounds[name]
    return rounds.pop("lampwork"), rounds


async def _round(serve: Serve, *, under_load: bool) -> Round:
    began = perf_counter()
    with serve() as served:
        await time_to_answer(served.port, "/", any_status=True)
        cold = await time_to_answer(served.port, "/hello")
        result = Round((perf_counter() - began) * 1000, cold)
        if under_load:
            await load(served.port, "/hello", connections=CLIENTS, seconds=WARM_UP_SECONDS)
            result.one_client = await load(
                served.port, "/hello", connections=1, seconds=SECONDS / 2
            )
            async with memory_peak(served.pid) as result.memory:
                result.all_clients = await load(
                    served.port, "/hello", connections=CLIENTS, seconds=SECONDS
                )
        return result


async def _first_burst(serve: Serve) -> float:
    with serve() as served:
        await time_to_answer(served.port, "/", any_status=True)
        return max(await burst(served.port, "/hello", connections=CLIENTS))


async def _edits() -> tuple[float, float]:
    """Milliseconds from a saved file to its effect, and the p50 of requests after that."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in SAMPLE.iterdir():
            if file.is_file():
                (folder / file.name).write_text(file.read_text())
        with lampwork(folder=folder) as served:
            await time_to_answer(served.port, "/hello")
            times = [await _edit(served, f"edit {number}") for number in range(EDITS)]
            after = await load(served.port, "/hello", connections=1, seconds=1)
    return median(times), after.p50


async def _edit(served: Served, message: str) -> float:
    app = served.folder / "app.py"
    app.write_text((SAMPLE / "app.py").read_text().replace('"hello"}', f'"{message}"}}'))
    began = perf_counter()
    while message not in await get_text(served.port, "/hello"):
        pass
    return (perf_counter() - began) * 1000
