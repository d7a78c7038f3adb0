"""How many pictures a process makes at once."""

import math
import os
from pathlib import Path
from urllib.parse import urlsplit

from shared import settings

# They wait for machines of others. All the rest need the cores of this one.
REMOTE = frozenset({"bedrock", "openai+http", "openai+https"})
REMOTE_AT_ONCE = 64

# "max 100000", or how many microseconds of processor time in how many of the clock's:
# https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def at_once() -> int:
    """As GENERATE_CONCURRENCY says; else as many as the generator has use for."""
    chosen = settings.generator()
    if chosen.concurrency is not None:
        return chosen.concurrency
    remote = urlsplit(chosen.url.get_secret_value()).scheme in REMOTE
    return REMOTE_AT_ONCE if remote else cores()


def cores(cpu_max: Path = CPU_MAX) -> int:
    """The cores that this process may use, of which a container may have only a share."""
    usable = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return usable
    return usable if quota == "max" else min(usable, math.ceil(int(quota) / int(period)))
