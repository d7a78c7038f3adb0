import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 5.0


class PidFile:
    """Names a process that leads a session, so that a later run can stop it if nobody else did.

    Beside the pid stands what tells the process from a stranger that got the same number later:
    the boot it belongs to and the moment it started.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{pid} {identity(pid)}")

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def stop_left_over(self) -> int | None:
        """Stop the named process and its group if it still runs. Returns the pid it had."""
        pid, _, written = self._path.read_text().partition(" ")
        alive = pid.isdigit() and bool(written) and identity(int(pid)) == written
        if alive:
            _stop_group(int(pid), written)
        self.remove()
        return int(pid) if alive else None


def stop_left_overs(run_dir: Path) -> dict[str, int]:
    """Stop what an earlier run, killed without warning, left behind: name → pid."""
    stopped = {}
    for path in sorted(run_dir.glob("*.pid")):
        if pid := PidFile(path).stop_left_over():
            stopped[path.stem] = pid
    return stopped


def identity(pid: int) -> str:
    """Tells this process from any other, also after a reboot; empty when there is none.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    state, start_time = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot} {start_time}"


def _stop_group(pid: int, written: str) -> None:
    _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while identity(pid) == written and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
