import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 5.0
ENDED_STATES: Final = ("X", "Z")


class PidFile:
    """Records a process that leads a session, so that a later run can stop it if it is left over.

    With the pid, it records the boot and the start time, which tell the process from another one
    that gets the same pid later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{pid} {identity(pid)}")

    def move(self, path: Path) -> None:
        """Keep the record under another name."""
        self._path.rename(path)
        self._path = path

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def read(self) -> str:
        """What `write` wrote; empty if there is no such file."""
        with contextlib.suppress(FileNotFoundError):
            return self._path.read_text()
        return ""


def stop_left_overs(run_dir: Path) -> dict[str, int]:
    """Stop the processes that an earlier, killed run left behind. Returns their pids by name."""
    # All files are read first: a new run may write its own while these processes are stopped.
    files = {path.stem: PidFile(path) for path in sorted(run_dir.glob("*.pid"))}
    written = {name: file.read() for name, file in files.items()}
    stopped = {}
    for name, content in written.items():
        pid, _, leader = content.partition(" ")
        if pid.isdigit() and _is_left_over(int(pid), leader):
            _stop_session(int(pid))
            stopped[name] = int(pid)
        if files[name].read() == content:
            files[name].remove()
    return stopped


def identity(pid: int) -> str:
    """Identifies a process among all others, even after a reboot; empty if there is none.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    state, _, start_time = _stat(pid)
    return "" if state in ENDED_STATES else f"{_boot_id()} {start_time}"


def _is_left_over(pid: int, leader: str) -> bool:
    # The kernel does not reuse a pid while a session has that number. So either the leader we
    # recorded still lives, or no process has this pid and only members of its session are left.
    same_boot = leader.startswith(f"{_boot_id()} ")
    return same_boot and identity(pid) in ("", leader) and bool(_session_members(pid))


def _stop_session(pid: int) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for member in _session_members(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal_number)
        deadline = time.monotonic() + GRACE_SECONDS
        while _session_members(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def _session_members(leader: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_member(pid, leader)]


def _is_member(pid: int, leader: int) -> bool:
    state, session, _ = _stat(pid)
    return state not in ENDED_STATES and session == str(leader)


def _stat(pid: int) -> tuple[str, str, str]:
    """State, session and start time of a process; state X if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", "", ""
    return fields[0], fields[3], fields[19]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
