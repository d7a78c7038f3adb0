"""What this machine, or the container around this process, can do: its cores and its memory.

https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, cpu.stat, memory.max, memory.current)
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
https://man7.org/linux/man-pages/man5/proc_stat.5.html
"""

import math
import os
import time
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PROC: Final = Path("/proc")
# Shorter than this, the kernel's ticks of 10 ms tell too little of how busy the cores were.
WINDOW_SECONDS: Final = 0.1
# From this part of a core on, further work finds a place.
IDLE_CORES: Final = 0.5
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Machine:
    """The cores and the memory of this machine, or as much of them as a container may use."""

    def __init__(self, cgroups: Path = CGROUPS, proc: Path = PROC) -> None:
        self._proc = proc
        self._groups = _Groups(cgroups, proc)
        self._quota = self._groups.cores()
        present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        present = present or os.cpu_count() or 1
        self.cores = min(present, max(1, math.ceil(self._quota or present)))
        self._read_at = 0.0
        self._used = 0.0
        self._idle = True

    def has_idle_cores(self) -> bool:
        """Whether a core had nothing to do of late. True where that cannot be read."""
        now = time.monotonic()
        if now - self._read_at >= WINDOW_SECONDS:
            used = self._core_seconds()
            if used is not None:
                rate = (used - self._used) / (now - self._read_at)
                self._idle = rate <= (self._quota or self.cores) - IDLE_CORES
                self._used = used
            self._read_at = now
        return self._idle

    def memory(self) -> int | None:
        """All bytes that may be used; None if that cannot be read."""
        present = self._kibibytes("MemTotal:")
        limit = self._groups.memory_limit()
        return min((each for each in (present, limit) if each is not None), default=None)

    def available_memory(self) -> int | None:
        """Bytes that further processes may use; None if that cannot be read."""
        present = self._kibibytes("MemAvailable:")
        left = self._groups.memory_left()
        return min((each for each in (present, left) if each is not None), default=None)

    def _core_seconds(self) -> float | None:
        """Seconds for which cores have worked, of all of them or, with a quota, of ours."""
        if self._quota is not None:
            return self._groups.core_seconds()
        if (text := _text(self._proc / "stat")) is None:
            return None
        user, nice, system, _, _, interrupts, soft, *_ = map(int, text.split("\n")[0].split()[1:])
        return (user + nice + system + interrupts + soft) / TICKS_PER_SECOND

    def _kibibytes(self, name: str) -> int | None:
        for line in (_text(self._proc / "meminfo") or "").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        return None


class _Groups:
    """The limits of the control groups that this process is in, version 2 or 1."""

    def __init__(self, root: Path, proc: Path) -> None:
        paths = {"": Path("/")}
        for line in (_text(proc / "self/cgroup") or "").splitlines():
            _, controllers, path = line.split(":", 2)
            paths |= {each: Path(path) for each in controllers.split(",")}
        self._cpu, self._accounting, self._memory = (
            _folders(root / controller, paths.get(controller, Path("/")))
            for controller in ("cpu", "cpuacct", "memory")
        )
        self._unified = _folders(root, paths[""])

    def cores(self) -> float | None:
        """As many cores as the quota is worth; None without one."""
        quotas = [_quota(_text(folder / "cpu.max")) for folder in self._unified]
        for folder in self._cpu:
            quota, period = _number(folder / "cpu.cfs_quota_us"), _number(
                folder / "cpu.cfs_period_us"
            )
            quotas.append(quota / period if quota and quota > 0 and period else None)
        return min((quota for quota in quotas if quota is not None), default=None)

    def core_seconds(self) -> float | None:
        for folder in self._unified[:1]:
            for line in (_text(folder / "cpu.stat") or "").splitlines():
                if line.startswith("usage_usec"):
                    return int(line.split()[1]) / 1e6
        for folder in self._accounting[:1]:
            if (used := _number(folder / "cpuacct.usage")) is not None:
                return used / 1e9
        return None

    def memory_limit(self) -> int | None:
        limits = [_number(folder / "memory.max") for folder in self._unified]
        limits += [_number(folder / "memory.limit_in_bytes") for folder in self._memory]
        return min((limit for limit in limits if limit is not None), default=None)

    def memory_left(self) -> int | None:
        """Under the tightest limit; what the kernel only keeps of files counts as left."""
        left = [
            _left(folder, "memory.max", "memory.current", "inactive_file")
            for folder in self._unified
        ]
        left += [
            _left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            for folder in self._memory
        ]
        return min((each for each in left if each is not None), default=None)


def _folders(root: Path, path: Path) -> list[Path]:
    """Those of a group and of all around it, from the inside. A container may see only its own, as
    the root, whatever the path says."""
    inside = [root / str(each).lstrip("/") for each in (path, *path.parents)]
    return [folder for folder in dict.fromkeys(inside) if folder.is_dir()]


def _left(folder: Path, limit: str, current: str, of_files: str) -> int | None:
    most, used = _number(folder / limit), _number(folder / current)
    if most is None or used is None:
        return None
    for line in (_text(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == of_files:
            used -= int(value)
    return most - used


def _quota(text: str | None) -> float | None:
    quota, _, period = (text or "max").strip().partition(" ")
    return None if quota == "max" else int(quota) / int(period or 100_000)


def _number(file: Path) -> int | None:
    text = (_text(file) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return None
