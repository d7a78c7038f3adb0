"""Pictures that are painted at the same time, beyond the first, are painted in other processes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.generators.painter.painter import Painter
from shared.generators.painter.picture import paint
from shared.generators.painter.processes import Processes
from shared.generators.port import GenerationFailed, GenerationParameters
from tests.waiting import until

SMALL = GenerationParameters(64, 64)


class Stop(Exception):
    pass


def unwatched(fraction: float) -> None:
    pass


def is_gone(pid: int) -> bool:
    """Where nobody waits for orphans, a dead one keeps its number."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def children() -> set[int]:
    """The painting processes of this one."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [row.split(maxsplit=1) for row in listed.stdout.splitlines()]
    return {int(pid) for pid, what in rows if "painter.processes" in what}


async def test_pictures_at_the_same_time_are_the_ones_that_are_painted_alone():
    prompts = ["a fox by the sea", "night city", "an abstract thought", "a fox by the sea"]
    painter, seen = Painter(), []

    async def watch(fraction: float) -> None:
        seen.append(fraction)

    images = await asyncio.gather(*(painter.generate(each, SMALL, watch) for each in prompts))

    assert [each.data for each in images] == [paint(each, SMALL, unwatched) for each in prompts]
    assert seen.count(1.0) == len(prompts)
    assert len(children()) == len(prompts) - 1


async def test_one_picture_after_another_needs_no_other_process():
    painter, before = Painter(), children()

    async def watch(fraction: float) -> None:
        if fraction == 1.0:
            assert children() == before

    await painter.generate("night city", SMALL, watch)
    await painter.generate("night city", SMALL, watch)


def test_a_process_paints_again_and_ends_when_it_was_idle_for_a_while():
    pids: set[int] = set()

    def note(fraction: float) -> None:
        if fraction == 1.0:
            pids.update(children() - before)

    before, processes = children(), Processes(idle_seconds=0.3)
    for _ in range(2):
        assert processes.paint("night city", SMALL, note) == paint("night city", SMALL, unwatched)
    until(lambda: all(map(is_gone, pids)))

    assert pids
    assert processes.paint("x", SMALL, unwatched) == paint("x", SMALL, unwatched)


def test_a_picture_that_nobody_wants_any_more_ends_with_its_process():
    pids: set[int] = set()

    def stop(fraction: float) -> None:
        pids.update(children() - before)
        raise Stop

    before, processes = children(), Processes()
    with pytest.raises(Stop):
        processes.paint("night city", SMALL, stop)

    assert pids
    assert all(map(is_gone, pids))


def test_a_process_that_is_killed_costs_one_picture():
    def kill(fraction: float) -> None:
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)

    before, processes = children(), Processes()
    with pytest.raises(GenerationFailed) as failure:
        processes.paint("night city", GenerationParameters(2048, 2048), kill)

    assert failure.value.retryable
    assert processes.paint("x", SMALL, unwatched) == paint("x", SMALL, unwatched)


def test_a_killed_worker_leaves_no_process_that_paints():
    script = (
        "from shared.generators.painter.processes import Process\n"
        "from shared.generators.port import GenerationParameters\n"
        "process = Process()\n"
        "process.paint('x', GenerationParameters(64, 64), lambda fraction: None)\n"
        "print(process.pid, flush=True)\n"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout
        pid = int(worker.stdout.readline())
        worker.kill()

    until(lambda: is_gone(pid))
