"""The environments of all functions, and what they may take of a machine."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lampwork.runtime.admission.capacity import MEBIBYTE, Capacity
from lampwork.runtime.admission.fair_line import Demand
from lampwork.runtime.admission.machine import Machine

GIBIBYTE = 1024 * MEBIBYTE


@dataclass
class FakeMachine(Machine):
    total: int | None = GIBIBYTE
    available: int | None = GIBIBYTE
    cores: int = 2

    def memory(self) -> int | None:
        return self.total

    def available_memory(self) -> int | None:
        return self.available

    def has_idle_cores(self) -> bool:
        return True


@dataclass(eq=False)
class FakePool:
    capacity: Capacity
    wanted: int = 0
    size: int = 0
    starting: int = 0
    reserved: int = 0
    memory: int = 64 * MEBIBYTE
    idle: list[float] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self.capacity.join(self)

    @property
    def needs_more(self) -> bool:
        return self.starting < self.wanted

    @property
    def has_waiting(self) -> bool:
        return self.wanted > 0

    @property
    def idle_since(self) -> float | None:
        return self.idle[0] if self.idle else None

    @property
    def surplus_since(self) -> float | None:
        return self.idle_since if self.size > 1 else None

    def demand(self) -> Demand:
        return Demand(wanted=self.wanted)

    def grow(self) -> None:
        if self.needs_more and self.capacity.acquire(self):
            self.size += 1
            self.wanted -= 1

    def end_longest_idle(self) -> None:
        self.idle.pop(0)
        self.ended += 1

    def die(self) -> None:
        self.size -= 1
        self.capacity.release()

    def refuse_overdue(self) -> None:
        pass


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def capacity(machine: FakeMachine) -> Capacity:
    return Capacity(8, 0.001, machine, clock=lambda: 100.0)


def test_memory_that_is_gone_keeps_a_function_from_a_second_environment(
    capacity: Capacity, machine: FakeMachine
) -> None:
    app = FakePool(capacity, wanted=2)

    app.grow()
    machine.available = 128 * MEBIBYTE
    app.grow()

    assert app.size == 1
    assert capacity.has_refused(app)


def test_the_first_environment_takes_the_place_of_an_idle_one_where_memory_is_gone(
    capacity: Capacity, machine: FakeMachine
) -> None:
    idle = FakePool(capacity, size=1, idle=[1.0])
    app = FakePool(capacity, wanted=1)
    machine.available = 65 * MEBIBYTE

    app.grow()
    assert (app.size, idle.ended) == (0, 1)
    machine.available = GIBIBYTE
    idle.die()

    assert app.size == 1


def test_the_first_environment_waits_for_no_memory_that_nobody_frees(
    capacity: Capacity, machine: FakeMachine
) -> None:
    """Whoever called the function would wait for it for ever."""
    app = FakePool(capacity, wanted=1)
    machine.available = MEBIBYTE

    app.grow()

    assert app.size == 1


def test_what_starts_has_yet_to_take_its_memory(capacity: Capacity, machine: FakeMachine) -> None:
    FakePool(capacity, size=3, starting=3, memory=100 * MEBIBYTE)
    app = FakePool(capacity, size=1, wanted=1)
    machine.available = 450 * MEBIBYTE

    app.grow()

    assert app.size == 1


def test_a_machine_that_does_not_tell_its_memory_has_enough(machine: FakeMachine) -> None:
    machine.total = machine.available = None
    capacity = Capacity(8, 0.001, machine)
    app = FakePool(capacity, wanted=2)

    app.grow()
    app.grow()

    assert app.size == 2


def test_an_idle_environment_of_several_ends_when_another_function_starts_one(
    capacity: Capacity,
) -> None:
    several = FakePool(capacity, size=2, idle=[98.0, 98.5])
    single = FakePool(capacity, size=1, idle=[1.0])
    app = FakePool(capacity, wanted=1)

    app.grow()

    assert (app.size, several.ended, single.ended) == (1, 1, 0)


def test_an_environment_that_has_just_served_is_not_ended_for_another_function(
    capacity: Capacity,
) -> None:
    several = FakePool(capacity, size=2, idle=[99.5, 99.9])
    app = FakePool(capacity, wanted=1)

    app.grow()

    assert (app.size, several.ended) == (1, 0)


def test_one_function_leaves_a_quarter_of_the_limit_to_others(capacity: Capacity) -> None:
    app = FakePool(capacity, wanted=9)
    for _ in range(9):
        app.grow()

    assert app.size == 6
    assert not capacity.may_have_more(app)


# What the kernel's files say

V2 = {
    "proc/self/cgroup": "0::/app",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n",
    "cgroups/app/cpu.max": "150000 100000\n",
    "cgroups/app/cpu.stat": "usage_usec 5000000\nuser_usec 1\n",
    "cgroups/app/memory.max": "2147483648\n",
    "cgroups/app/memory.current": "1073741824\n",
    "cgroups/app/memory.stat": "anon 1\ninactive_file 104857600\n",
    "cgroups/cpu.max": "max 100000\n",
}
V1 = {
    "proc/self/cgroup": "4:memory:/docker/of-the-host\n2:cpu,cpuacct:/docker/of-the-host\n",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n",
    "cgroups/cpu/cpu.cfs_quota_us": "150000\n",
    "cgroups/cpu/cpu.cfs_period_us": "100000\n",
    "cgroups/cpuacct/cpuacct.usage": "5000000000\n",
    "cgroups/memory/memory.limit_in_bytes": "2147483648\n",
    "cgroups/memory/memory.usage_in_bytes": "1073741824\n",
    "cgroups/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 104857600\n",
}
UNLIMITED = {
    "proc/self/cgroup": "4:memory:/\n1:cpu:/\n0::/\n",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n",
    "proc/stat": "cpu  300 0 200 9000 0 0 0 0 0 0\ncpu0 1 1 1 1\n",
    "cgroups/cpu/cpu.cfs_quota_us": "-1\n",
    "cgroups/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cgroups/memory/memory.usage_in_bytes": "1073741824\n",
}


def machine_of(files: dict[str, str], folder: Path) -> Machine:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Machine(folder / "cgroups", folder / "proc")


@pytest.mark.parametrize("files", [V2, V1], ids=["v2", "v1"])
def test_a_container_has_what_its_limits_leave(files: dict[str, str], tmp_path: Path) -> None:
    machine = machine_of(files, tmp_path)

    assert machine.cores <= 2
    assert machine.memory() == 2 * GIBIBYTE
    assert machine.available_memory() == GIBIBYTE + 100 * MEBIBYTE


def test_a_machine_without_limits_has_all_of_itself(tmp_path: Path) -> None:
    machine = machine_of(UNLIMITED, tmp_path)

    assert machine.memory() == 8 * GIBIBYTE
    assert machine.available_memory() == 4 * GIBIBYTE


def test_a_machine_that_tells_nothing_has_idle_cores_and_no_limit(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "cgroups", tmp_path / "proc")

    assert machine.cores >= 1
    assert machine.has_idle_cores()
    assert machine.memory() is machine.available_memory() is None


def test_this_machine_tells_its_memory() -> None:
    machine = Machine()
    total, available = machine.memory(), machine.available_memory()

    assert total is not None
    assert available is not None
    assert 0 < available <= total
