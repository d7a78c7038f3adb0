"""A function's first answer, from a fork with its packages loaded and from a fresh process."""

import statistics

from bench.report import Row
from bench.requests import time_to_answer
from bench.servers import lampwork

ROUNDS = 5


async def measure() -> list[Row]:
    up: dict[str, list[float]] = {"fork server": [], "--cold": []}
    cold: dict[str, list[float]] = {"fork server": [], "--cold": []}
    for _ in range(ROUNDS):
        for name, options in (("fork server", []), ("--cold", ["--cold"])):
            with lampwork(*options) as served:
                up[name].append(await time_to_answer(served.port, "/_lampwork/health"))
                cold[name].append(await time_to_answer(served.port, "/hello"))
    return [
        Row("start of the emulator, ms", {k: statistics.median(v) for k, v in up.items()}),
        Row("then the first answer, ms", {k: statistics.median(v) for k, v in cold.items()}),
    ]
