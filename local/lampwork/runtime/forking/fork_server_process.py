"""The launcher's end of a process that runs `fork_server`."""

import asyncio
import json
import signal
import socket
from collections.abc import Mapping
from typing import Any, Protocol

from lampwork.errors import StartError
from lampwork.interpreters.python import Python
from lampwork.runtime.forking.program import started
from lampwork.runtime.launching.launcher import Launch

MAX_MESSAGE_BYTES = 1 << 20
KILLED_STATUS = -9


class ForkServerEnded(Exception):
    """The fork server ended before it answered."""


class Owned(Protocol):
    def kill(self) -> None:
        """Kill it, and forget it."""
        ...


class ForkServerProcess:
    """A fork server, and the socket that commands it, one request at a time.

    `trying` is the number of the import that it was last about to do.
    """

    def __init__(self, control: socket.socket, process: Owned) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._reply: asyncio.Future[dict[str, Any]] | None = None
        self._first: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._children: dict[int, ForkedProcess] = {}
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.trying = 0
        self._process = process
        self._control = control
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._receive)

    @classmethod
    def start(
        cls, python: Python, environment: Mapping[str, str], options: Mapping[str, Any]
    ) -> "ForkServerProcess":
        """Start one that has loaded nothing yet. The options are those of `fork_server.serve`.

        Raises:
            StartError: this Python cannot be started.
        """
        program = started(python, environment)
        process = cls(program.control, program)
        process._send(options)
        return process

    @property
    def running(self) -> bool:
        return not self.ended.done()

    async def report(self) -> dict[str, Any]:
        """What it first says: that it is ready, or what it has loaded.

        Raises:
            ForkServerEnded: an import ended the process.
        """
        return await asyncio.shield(self._first)

    async def spawn(self, launch: Launch, log: int, channel: int) -> "ForkedProcess":
        return await self._child(_spawn_command(launch), log, channel)

    async def fork(self, command: Mapping[str, Any]) -> "ForkServerProcess":
        """Have it fork another server, which begins with what this one has loaded."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = await self._child(command, theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return ForkServerProcess(ours, process)

    def signal(self, pid: int, number: signal.Signals) -> None:
        if self.running:
            self._send({"signal": number, "pid": pid})

    def retire(self) -> None:
        """Tell it to end once its last child has ended."""
        if self.running:
            self._send({"retire": True})

    async def stop(self) -> None:
        """End it and all its children."""
        if self.running:
            self._control.shutdown(socket.SHUT_WR)
            await asyncio.wait([self.ended])

    def abort(self) -> None:
        """End it before it has children."""
        self._close()

    async def _child(self, command: Mapping[str, Any], *files: int) -> "ForkedProcess":
        async with self._lock:
            if not self.running:
                raise ForkServerEnded
            self._reply = self._loop.create_future()
            self._send(command, *files)
            reply = await self._reply
        if "refused" in reply:
            raise StartError(f"No further process can be started: {reply['refused']}.")
        return self._children[reply["spawned"]]

    def _send(self, message: Mapping[str, Any], *files: int) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], files)
        except (BrokenPipeError, ConnectionResetError):
            self._close()

    def _receive(self) -> None:
        try:
            data = self._control.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        match json.loads(data or "null"):
            case None:
                self._close()
            case {"exited": pid, "status": status}:
                self._children.pop(pid).end(status)
            case {"trying": number}:
                self.trying = number
            case {"spawned": pid} as reply:
                # At once, because the next message may already report its end.
                self._children[pid] = ForkedProcess(self, pid)
                _answer(self._reply, reply)
            case {"refused": _} as reply:
                _answer(self._reply, reply)
            case report:
                _answer(self._first, report)

    def _close(self) -> None:
        if self.ended.done():
            return
        self.ended.set_result(None)
        self._loop.remove_reader(self._control)
        self._control.close()
        self._process.kill()
        # The kernel killed its children with it.
        for child in self._children.values():
            child.end(KILLED_STATUS)
        for waiting in (self._reply, self._first):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ForkServerEnded())
                waiting.exception()  # somebody may or may not wait for it


class ForkedProcess:
    def __init__(self, server: ForkServerProcess, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._server = server

    def end(self, status: int) -> None:
        if not self.exited.done():
            self.exited.set_result(status)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # Its parent sends it: only the parent knows that the pid has not been reused.
        if not self.exited.done():
            self._server.signal(self.pid, number)


def _answer(waiting: "asyncio.Future[dict[str, Any]] | None", reply: dict[str, Any]) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(reply)


def _spawn_command(launch: Launch) -> dict[str, Any]:
    return {"spawn": launch.arguments, "environment": dict(launch.environment)}
