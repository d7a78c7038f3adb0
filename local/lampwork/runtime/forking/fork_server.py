"""Loads packages, then forks functions' processes. It has one thread only.

It also forks further servers, which load more packages and then do the same. What they load is
watched: a server that loaded something which a fork could tell from an import of its own says so
and ends.
"""

import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from lampwork import runtime
from lampwork.runtime.launching import process
from lampwork.runtime.preloading.watch import Watch
from lampwork.runtime.world import mounts, semaphores

MAX_MESSAGE_BYTES = 1 << 20
# The modules that AWS's runtime client imports. The client itself cannot be loaded here, because it
# reads the address of its Runtime API when it is imported.
RUNTIME_CLIENT_NEEDS = ("decimal", "logging", "simplejson", "traceback")
# Modules that only this server needs, which its forks must not show.
OWN_PACKAGES = ("lampwork.runtime.forking", "lampwork.runtime.preloading")
SECONDS_TO_END = 5
NO_CHILD = -1


def serve(control: int) -> dict[str, Any]:
    """Obey the launcher. Returns only in a forked child: what it must run.

    The first message has the options of `_prepare`.
    """
    connection = socket.socket(fileno=control)
    output = _take_output()
    gc.disable()
    for name in RUNTIME_CLIENT_NEEDS:  # before a function's packages, which may hide them
        importlib.import_module(name)
    options = connection.recv(MAX_MESSAGE_BYTES)
    if not options:  # nobody needed it
        _end()
    _prepare(**json.loads(options))
    sys.meta_path.insert(0, process.aside)
    process.limit_open_files()  # as packages see it that ask
    _settle()
    _send(connection, {"ready": True})
    # From here on it notices the launcher's end by the closed connection, which leaves it time to
    # end what its children started.
    process.outlive_parent()
    launch = ForkServer(connection, output).serve()
    _hide()
    return launch


def _prepare(packages: str | None, lambda_paths: bool, multiprocessing: bool) -> None:
    """Make this process's surroundings those of its children, which packages may look at.

    Further packages are found in the folder `packages`; with `lambda_paths` it is known as
    /var/task, as it is to functions.
    """
    if lambda_paths:
        mounts.enter_namespace()
    if packages and lambda_paths:
        mounts.show_packages(packages)
        packages = mounts.TASK
    if packages:
        sys.path.insert(0, packages)
    if not multiprocessing:
        semaphores.refuse()


class ForkServer:
    """Obeys the launcher: spawn a process, load more in another server, signal one, retire.

    What packages print while they load comes out at the pipe `output`.
    """

    def __init__(self, control: socket.socket, output: int) -> None:
        self._output = output
        self._begin(control)
        # A handler must exist for the signal to be written to the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def serve(self) -> dict[str, Any]:
        """Serve until the launcher goes away. Returns only in a forked child: what it must run."""
        while not (self._retired and not self._children):
            sources: list[socket.socket | int] = [self._control, self._wakeup[0]]
            readable, _, _ = select.select(sources, [], [])
            if self._wakeup[0] in readable:
                self._reap_children()
            if self._control in readable:
                launch = self._handle_command()
                if launch is not None:
                    return launch
        _end()

    def _begin(self, control: socket.socket) -> None:
        """Have no children yet, and obey this connection."""
        self._control = control
        self._children: set[int] = set()
        self._servers: set[int] = set()
        self._retired = False
        self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wakeup[1])

    def _handle_command(self) -> dict[str, Any] | None:
        data, files, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 2)
        if not data:
            self._end_all()
        match json.loads(data or "{}"):
            case {"spawn": launch, "environment": environment}:
                return self._spawn(launch, environment, *files)
            case {"load": steps, "world": world}:
                self._fork_server(steps, world, *files)
            case {"signal": number, "pid": pid} if pid in self._children:
                _signal_group(pid, number)
            case {"retire": _}:
                self._retired = True
        return None

    def _spawn(
        self, launch: dict[str, str], environment: dict[str, str], log: int, channel: int
    ) -> dict[str, Any] | None:
        server = os.getpid()
        if self._fork(log, channel):
            return None
        os.close(self._output)
        process.leave_fork_server(environment, log, server)
        return {**launch, "channel": channel}

    def _fork_server(self, steps: list[list[Any]], world: dict[str, Any], control: int) -> None:
        server = os.getpid()
        if (pid := self._fork(control)) != 0:
            self._servers |= {pid} - {NO_CHILD}
            return
        os.setsid()
        process.die_with_parent(server)
        self._begin(socket.socket(fileno=control))
        self._load(steps, world)

    def _fork(self, *files: int) -> int:
        """Fork a child that has these files; they are closed here. 0 in the child.

        The launcher is told the child's id, or why there is none (`NO_CHILD`).
        """
        try:
            pid = os.fork()
        except OSError as error:
            _send(self._control, {"refused": str(error)})
            for file in files:
                os.close(file)
            return NO_CHILD
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._control.close()
            for file in self._wakeup:
                os.close(file)
            return 0
        for file in files:
            os.close(file)
        self._children.add(pid)
        _send(self._control, {"spawned": pid})
        return pid

    def _load(self, steps: list[list[Any]], world: dict[str, Any]) -> None:
        """Do these imports, then tell what they did; end if they are not to be shared."""
        watch = Watch(output=self._output, aside=process.aside, **world)
        known = set(sys.modules)
        libraries = _mapped_libraries()
        unclean, looked_up = {}, []
        with watch.watching():
            for number, (module, name, aside, avoided) in enumerate(steps):
                _send(self._control, {"trying": number})
                act = functools.partial(_import, module, name)
                if reason := watch.run(act, module if aside else "", avoided):
                    unclean[number] = reason, watch.is_only_here
                looked_up.append(sorted(watch.looked_up))
        new = sys.modules.keys() - known
        _settle()
        report = {
            "loaded": bool(new or watch.has_taken_aside or watch.reads or any(looked_up)),
            "unclean": unclean,
            "reads": sorted(watch.reads),
            "looked_up": looked_up,
            "libraries": sorted(_mapped_libraries() - libraries),
        }
        _send(self._control, report)
        if unclean or not report["loaded"]:
            _end()

    def _reap_children(self) -> None:
        os.read(self._wakeup[0], 4096)
        # Its pid is not reused before it is reaped, so it is safe to kill its process group.
        while self._children and (ended := os.waitid(os.P_ALL, 0, WAIT_FLAGS)):
            _kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self._children.discard(ended.si_pid)
            self._servers.discard(ended.si_pid)
            _send(
                self._control,
                {"exited": ended.si_pid, "status": os.waitstatus_to_exitcode(status)},
            )

    def _end_all(self) -> NoReturn:
        """End with all children. Servers see the launcher's end themselves, and end theirs."""
        for pid in self._children - self._servers:
            _kill_group(pid)
        latest = time.monotonic() + SECONDS_TO_END
        for pid in self._servers:
            while os.waitid(os.P_PID, pid, WAIT_FLAGS) is None and time.monotonic() < latest:
                time.sleep(0.005)
            _kill_group(pid)
        for pid in self._children:
            os.waitpid(pid, 0)
        _end()


WAIT_FLAGS = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _import(module: str, name: str) -> None:
    """As `import module` or `from module import name` would."""
    __import__(module, fromlist=[name] if name else [])


def _settle() -> None:
    """Let collections in forks leave alone what is here now, so that they share its memory."""
    gc.collect()
    gc.freeze()


def _end() -> NoReturn:
    """End without what packages would do at the end of a process: they do it in every fork."""
    os._exit(0)


def _hide() -> None:
    """Take the modules of this server from a fork's, so that it has those of a fresh process."""
    for name in [name for name in sys.modules if name.startswith(OWN_PACKAGES)]:
        del sys.modules[name]
    for name in OWN_PACKAGES:
        delattr(runtime, name.rpartition(".")[2])


def _mapped_libraries() -> set[str]:
    with open("/proc/self/maps", encoding="utf-8") as file:
        return {line.split(maxsplit=5)[5].strip() for line in file if ".so" in line}


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


def _take_output() -> int:
    """Have what packages print on import come out at a pipe: it belongs to no function's log."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(nothing)
    os.close(writer)
    return reader
