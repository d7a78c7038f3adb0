import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 5.0
GONE: Final = ("X", "Z")


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

    def read(self) -> str:
        """What `write` wrote; empty when there is no such file."""
        with contextlib.suppress(FileNotFoundError):
            return self._path.read_text()
        return ""


def stop_left_overs(run_dir: Path) -> dict[str, int]:
    """Stop what an earlier run, killed without warning, left behind: name → pid."""
    # All are read at once: a new run may write its own while these are being stopped.
    files = {path.stem: PidFile(path) for path in sorted(run_dir.glob("*.pid"))}
    written = {name: file.read() for name, file in files.items()}
    stopped = {}
    for name, content in written.items():
        pid, _, leader = content.partition(" ")
        if pid.isdigit() and _is_left(int(pid), leader):
            _stop_session(int(pid))
            stopped[name] = int(pid)
        if files[name].read() == content:
            files[name].remove()
    return stopped


def identity(pid: int) -> str:
    """Tells this process from any other, also after a reboot; empty when there is none.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    state, _, start_time = _stat(pid)
    return "" if state in GONE else f"{_boot()} {start_time}"


def _is_left(pid: int, leader: str) -> bool:
    # The kernel gives out no pid while a session of that number lives. So either its leader lives
    # and is the one we wrote down, or there is no process of that number, just members.
    same_boot = leader.startswith(f"{_boot()} ")
    return same_boot and identity(pid) in ("", leader) and bool(_session(pid))


def _stop_session(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for member in _session(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while _session(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def _session(leader: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_member(pid, leader)]


def _is_member(pid: int, leader: int) -> bool:
    state, session, _ = _stat(pid)
    return state not in GONE and session == str(leader)


def _stat(pid: int) -> tuple[str, str, str]:
    """State, session and start time; state X when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", "", ""
    return fields[0], fields[3], fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
