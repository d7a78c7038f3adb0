"""Loads the packages functions share, then forks their processes. It has one thread, always."""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from lampwork.runtime.launching import bootstrap

MAX_MESSAGE = 1 << 20
# What AWS's runtime client loads besides itself; it cannot be loaded here, since it reads the
# address of its Runtime API when it is.
RUNTIME_CLIENT_NEEDS = ("decimal", "http", "logging", "simplejson", "traceback", "uuid")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    bootstrap.die_with(int(sys.argv[2]))
    _redirect_output()
    preload(control)
    # From here on the connection's end tells it, which leaves time to end what children started.
    bootstrap.outlive_parent()
    launch = ForkServer(control).serve()
    # Only a forked child comes here. It ends as any Python process: by its own exit status.
    bootstrap.run(**launch)


def preload(control: socket.socket) -> None:
    """Import what the first message names. A package that cannot be imported here is passed over.

    One that starts a thread ends this process, since a thread's locks would be lost in a fork: the
    launcher starts another without it.
    """
    gc.disable()
    failed = {}
    for name in (*RUNTIME_CLIENT_NEEDS, *json.loads(control.recv(MAX_MESSAGE))):
        try:
            importlib.import_module(name)
        except BaseException as error:  # whatever a foreign package does: it is only passed over
            failed[name] = repr(error)
        if _threads() > 1:
            _send(control, {"unsafe": name})
            sys.exit(1)
    gc.collect()
    gc.freeze()
    _send(control, {"ready": True, "failed": failed})


class ForkServer:
    """Takes commands from the launcher: spawn, signal, and retire once the last child has ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._retired = False
        self._wakeup, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._own_files = (self._wakeup, wake)
        # A handler must exist for the signal to be written to the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake)

    def serve(self) -> dict[str, Any]:
        """Run until the launcher goes away. Returns in a forked child only: what it is to run."""
        sources: list[socket.socket | int] = [self._control, self._wakeup]
        while not (self._retired and not self._children):
            readable, _, _ = select.select(sources, [], [])
            if self._wakeup in readable:
                self._reap()
            if self._control in readable:
                launch = self._obey()
                if launch is not None:
                    return launch
        sys.exit()

    def _obey(self) -> dict[str, Any] | None:
        data, files, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, 2)
        if not data:
            self._end_all()
        match json.loads(data or "{}"):
            case {"spawn": launch, "environment": environment}:
                return self._spawn(launch, environment, *files)
            case {"signal": number, "pid": pid} if pid in self._children:
                _signal_group(pid, number)
            case {"retire": _}:
                self._retired = True
        return None

    def _spawn(
        self, launch: dict[str, str], environment: dict[str, str], log: int, channel: int
    ) -> dict[str, Any] | None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _send(self._control, {"refused": str(error)})
            os.close(log)
            os.close(channel)
            return None
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._control.close()
            for file in self._own_files:
                os.close(file)
            bootstrap.leave_fork_server(environment, log, server)
            return {**launch, "channel": channel}
        os.close(log)
        os.close(channel)
        self._children.add(pid)
        _send(self._control, {"spawned": pid})
        return None

    def _reap(self) -> None:
        os.read(self._wakeup, 4096)
        # Seen before it is reaped, its number cannot yet belong to another process: whatever it has
        # left behind in its group can be ended safely.
        while self._children and (ended := os.waitid(os.P_ALL, 0, ENDED)):
            _kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self._children.discard(ended.si_pid)
            _send(
                self._control,
                {"exited": ended.si_pid, "status": os.waitstatus_to_exitcode(status)},
            )

    def _end_all(self) -> None:
        for pid in self._children:
            _kill_group(pid)
        for pid in self._children:
            os.waitpid(pid, 0)
        sys.exit()


ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has not made a session of its own yet
        os.kill(pid, number)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    try:
        control.send(json.dumps(message).encode())
    except BrokenPipeError:  # the launcher is gone; the next read tells so too
        return


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _redirect_output() -> None:
    """What packages print when they are loaded is nobody's answer and no function's log."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    main()
