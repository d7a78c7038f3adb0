"""Loads the packages that functions share, then forks their processes. It has one thread only."""

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
from lampwork.runtime.world import mounts, semaphores

MAX_MESSAGE_BYTES = 1 << 20
# The modules that AWS's runtime client imports. The client itself cannot be loaded here, because it
# reads the address of its Runtime API when it is imported.
RUNTIME_CLIENT_NEEDS = ("decimal", "http", "logging", "simplejson", "traceback", "uuid")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    bootstrap.die_with_parent(int(sys.argv[2]))
    _redirect_output()
    _prepare(**json.loads(sys.argv[3]))
    preload(control)
    # From here on it notices the launcher's end by the closed connection, which leaves it time to
    # end what its children started.
    bootstrap.outlive_parent()
    launch = ForkServer(control).serve()
    # Only a forked child comes here. It ends as any Python process does, with its own exit status.
    bootstrap.run(**launch)


def _prepare(packages: str | None, lambda_paths: bool, multiprocessing: bool) -> None:
    """Make this process's surroundings those of its children, which packages may look at."""
    if lambda_paths:
        mounts.enter_namespace()
    if packages and lambda_paths:
        if os.path.isdir(packages):  # else they are installed when a child needs them
            mounts.show_packages(packages)
        packages = mounts.TASK
    if packages:
        sys.path.insert(0, packages)
    if not multiprocessing:
        semaphores.refuse()


def preload(control: socket.socket) -> None:
    """Import the modules that the first message names, except those that cannot be imported here.

    A module that starts a thread ends this process, because a fork may inherit a lock that the
    thread holds. The launcher then starts another process without that module.
    """
    gc.disable()
    failed = {}
    for name in (*RUNTIME_CLIENT_NEEDS, *json.loads(control.recv(MAX_MESSAGE_BYTES))):
        try:
            importlib.import_module(name)
        except BaseException as error:  # a package may raise anything; it is left out
            failed[name] = repr(error)
        if _thread_count() > 1:
            _send(control, {"unsafe": name})
            sys.exit(1)
    gc.collect()
    gc.freeze()
    _send(control, {"ready": True, "failed": failed})


class ForkServer:
    """Obeys the launcher: spawn a process, signal one, retire once the last child has ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._retired = False
        self._wakeup_reader, wakeup_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._own_files = (self._wakeup_reader, wakeup_writer)
        # A handler must exist for the signal to be written to the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakeup_writer)

    def serve(self) -> dict[str, Any]:
        """Serve until the launcher goes away. Returns only in a forked child: what it must run."""
        sources: list[socket.socket | int] = [self._control, self._wakeup_reader]
        while not (self._retired and not self._children):
            readable, _, _ = select.select(sources, [], [])
            if self._wakeup_reader in readable:
                self._reap_children()
            if self._control in readable:
                launch = self._handle_command()
                if launch is not None:
                    return launch
        sys.exit()

    def _handle_command(self) -> dict[str, Any] | None:
        data, files, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 2)
        if not data:
            self._kill_all()
        match json.loads(data or "{}"):
            case {"spawn": launch, "environment": environment}:
                return self._spawn(launch, environment, *files)
            case {"signal": number, "pid": pid} if pid in self._children:
                _signal_group(pid, number)
            case {"retire": _}:
                self._retired = True
        return None

    def _spawn(
        self, launch: dict[str, Any], environment: dict[str, str], log: int, channel: int
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

    def _reap_children(self) -> None:
        os.read(self._wakeup_reader, 4096)
        # Its pid is not reused before it is reaped, so it is safe to kill its process group.
        while self._children and (ended := os.waitid(os.P_ALL, 0, WAIT_FLAGS)):
            _kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self._children.discard(ended.si_pid)
            _send(
                self._control,
                {"exited": ended.si_pid, "status": os.waitstatus_to_exitcode(status)},
            )

    def _kill_all(self) -> None:
        for pid in self._children:
            _kill_group(pid)
        for pid in self._children:
            os.waitpid(pid, 0)
        sys.exit()


WAIT_FLAGS = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has no session of its own yet
        os.kill(pid, number)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    try:
        control.send(json.dumps(message).encode())
    except BrokenPipeError:  # the launcher is gone, which the next read notices
        return


def _thread_count() -> int:
    return len(os.listdir("/proc/self/task"))


def _redirect_output() -> None:
    """Discard what packages print on import: it belongs to no function's log."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    main()
