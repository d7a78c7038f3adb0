"""What `make dev` costs while nobody is there: processor time and memory of all its processes in
sum, right after the start and after one person has painted a picture."""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.process_memory import Memory
from bench.report import Goal, show_goals
from tests.e2e.product import Product, processes_of, running, sign_up
from tests.emulator.lampwork_process import family
from tests.waiting import until

MOST_CPU_PERCENT = 3
MOST_MEGABYTES = 450
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
        goals = _goals("started", _look(product, options.settle, options.seconds))
        with sign_up(product) as person:
            task = person.submit("a lighthouse in a storm", width=512, height=512)
            until(lambda: person.client.get(f"/tasks/{task['id']}").json()["terminal"])
            person.picture(task["id"])
        goals += _goals("after a picture", _look(product, options.settle, options.seconds))
    show_goals((__doc__ or "").strip(), goals)
    return 0


@dataclass(frozen=True)
class Cost:
    cpu_percent: float
    memory: Memory
    processes: int


def _look(product: Product, settle: float, seconds: float) -> Cost:
    time.sleep(settle)
    before, started = _processor_seconds(product), time.monotonic()
    time.sleep(seconds)
    spent = _processor_seconds(product) - before
    percent = 100 * spent / (time.monotonic() - started)
    memory, processes = Memory(), _processes(product)
    memory.update(processes)
    return Cost(percent, memory, len(processes))


def _processes(product: Product) -> set[int]:
    pid = product.process.pid
    return {pid, *family(pid), *(each.pid for each in processes_of(product))}


def _processor_seconds(product: Product) -> float:
    """The processor time of all processes, and of those that have ended and were children."""
    return sum(map(_seconds_of, _processes(product)))


def _seconds_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND  # utime, stime, cutime, cstime


def _goals(when: str, cost: Cost) -> list[Goal]:
    return [
        Goal.at_most(f"{when}: % of a core", MOST_CPU_PERCENT, cost.cpu_percent),
        Goal.at_most("… PSS MB", MOST_MEGABYTES, cost.memory.pss),
        Goal.without_limit("… RSS MB", cost.memory.rss, {}),
        Goal.without_limit("… processes", cost.processes, {}),
    ]
