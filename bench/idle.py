"""What `make dev` costs while nobody is there: processor time and memory of all its processes in
sum, right after the start and after one person has painted a picture."""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.process_memory import Memory
from bench.report import Goal, show_goals, show_table
from tests.e2e.product import Product, processes_of, running, sign_up
from tests.emulator.lampwork_process import family
from tests.waiting import until

MOST_CPU_PERCENT = 3
MOST_MEGABYTES = 450
# By a word of their command.
KINDS = {
    "bootstrap": "functions",
    "local.worker": "workers",
    "lampwork.cloud": "embedded AWS",
    "redis": "Redis",
}
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="to look for, each time")
    parser.add_argument("--settle", type=float, default=15, help="seconds to let pass before")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", reload=True) as product,
    ):
        started = _look(product, options.settle, options.seconds)
        with sign_up(product) as person:
            task = person.submit("a lighthouse in a storm", width=512, height=512)
            until(lambda: person.client.get(f"/tasks/{task['id']}").json()["terminal"])
            person.picture(task["id"])
        used = _look(product, options.settle, options.seconds)
    goals = [*_goals("started", started), *_goals("after a picture", used)]
    show_goals((__doc__ or "").strip(), goals)
    show_table("After a picture, by kind:", ["", "processes", "% of a core", "PSS MB"], _rows(used))
    return 0


@dataclass
class Cost:
    """Processor time, in percent of a core, and memory of some processes in sum."""

    cpu_percent: float = 0
    pss: float = 0
    processes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.cpu_percent + other.cpu_percent,
            self.pss + other.pss,
            self.processes + other.processes,
        )


def _look(product: Product, settle: float, seconds: float) -> dict[str, Cost]:
    """The cost of each kind of process. What has ended counts as its parent's, if that waited."""
    time.sleep(settle)
    before, started = _processor_seconds(product), time.monotonic()
    time.sleep(seconds)
    after, passed = _processor_seconds(product), time.monotonic() - started
    costs: dict[str, Cost] = defaultdict(Cost)
    for pid, spent in after.items():
        memory = Memory()
        memory.update([pid])
        percent = 100 * (spent - before.get(pid, 0)) / passed
        costs[_kind(pid)] += Cost(percent, memory.pss, 1)
    for pid in before.keys() - after.keys():
        costs["ended meanwhile"] += Cost(-100 * before[pid] / passed)
    return costs


def _kind(pid: int) -> str:
    command = _read(pid, "cmdline").replace("\0", " ")
    return next((kind for word, kind in KINDS.items() if word in command), "emulator")


def _processor_seconds(product: Product) -> dict[int, float]:
    """The processor time of each process and of its children that have ended."""
    pid = product.process.pid
    pids = {pid, *family(pid), *(each.pid for each in processes_of(product))}
    return {each: _seconds_of(each) for each in pids}


def _seconds_of(pid: int) -> float:
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND  # utime, stime, cutime, cstime


def _read(pid: int, name: str) -> str:
    """A file of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _goals(when: str, costs: Mapping[str, Cost]) -> list[Goal]:
    total = sum(costs.values(), Cost())
    return [
        Goal.at_most(f"{when}: % of a core", MOST_CPU_PERCENT, total.cpu_percent),
        Goal.at_most(f"… PSS MB of {total.processes} processes", MOST_MEGABYTES, total.pss),
    ]


def _rows(costs: Mapping[str, Cost]) -> list[list[str]]:
    dearest = sorted(costs.items(), key=lambda each: -each[1].pss)
    return [
        [kind, str(cost.processes), f"{cost.cpu_percent:.1f}", f"{cost.pss:.0f}"]
        for kind, cost in dearest
    ]
