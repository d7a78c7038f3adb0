import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lampwork.errors import StartError
from lampwork.runtime.launching.launcher import Launch

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1 << 20
KILLED_STATUS = -9


class ForkLauncher:
    """Starts functions as forks of a process that has their packages loaded.

    That process, the fork server, starts when it is first needed and again if it has ended. When
    other packages are wanted, a new one replaces it, and the old one ends with its last child. It
    looks for packages in the folder `packages` first; with `lambda_paths`, it knows that folder as
    /var/task, as its children do.
    """

    def __init__(
        self,
        python: str,
        packages: Path | None = None,
        *,
        lambda_paths: bool = False,
        multiprocessing: bool = False,
    ) -> None:
        self._python = python
        self._options = {
            "packages": str(packages) if packages else None,
            "lambda_paths": lambda_paths,
            "multiprocessing": multiprocessing,
        }
        self._modules: frozenset[str] = frozenset()
        self._unsafe: set[str] = set()
        self._server: ForkServerProcess | None = None
        self._retired: set[ForkServerProcess] = set()
        self._starting = asyncio.Lock()

    async def spawn(self, launch: Launch, log: int, channel: int) -> "ForkedProcess":
        server = await self._running_server()
        try:
            return await server.spawn(launch, log, channel)
        except ForkServerEnded:
            logger.warning("the fork server ended and is started again")
        server = await self._running_server()
        try:
            return await server.spawn(launch, log, channel)
        except ForkServerEnded as error:
            raise StartError("The fork server ended twice. Try `--cold`.") from error

    async def preload(self, modules: Collection[str]) -> None:
        """Replace the server by one with these modules loaded, unless it has them all already.

        The old server is used until the new one is ready.
        """
        if self._modules >= set(modules) and self._is_running():
            return
        self._modules = frozenset(modules)
        former = self._server
        if former is None or not former.running:
            await self._running_server()
            return
        self._server = await self._start_server()
        self._retire(former)

    async def stop(self) -> None:
        async with self._starting:
            for server in (self._server, *self._retired):
                if server is not None:
                    await server.stop()
            self._server = None

    def _is_running(self) -> bool:
        return self._server is not None and self._server.running

    def _retire(self, server: "ForkServerProcess") -> None:
        self._retired.add(server)
        server.ended.add_done_callback(lambda _: self._retired.discard(server))
        server.retire()

    async def _running_server(self) -> "ForkServerProcess":
        async with self._starting:
            if self._server is None or not self._server.running:
                self._server = await self._start_server()
            return self._server

    async def _start_server(self) -> "ForkServerProcess":
        """Start a server and wait until it is ready; leave out modules that cannot be preloaded."""
        while True:
            modules = self._modules - self._unsafe
            server = ForkServerProcess(self._python, self._options)
            try:
                loaded = await server.load(sorted(modules))
            except ForkServerEnded as error:
                if not modules:
                    raise StartError(f"The fork server cannot run under {self._python}.") from error
                logger.warning(
                    "packages cannot be loaded before forking, so cold starts take longer"
                )
                self._unsafe |= modules
                continue
            except asyncio.CancelledError:
                server.abort()
                raise
            if "ready" in loaded:
                logger.debug("fork server ready", extra={"not_loaded": loaded["failed"]})
                return server
            server.abort()
            self._unsafe.add(loaded["unsafe"])
            logger.warning(
                "a package starts a thread when it is imported, so it is not loaded before forking",
                extra={"package": loaded["unsafe"]},
            )


class ForkServerEnded(Exception):
    """The fork server ended before it answered."""


class ForkServerProcess:
    """A process that runs `fork_server`, and the socket that commands it, one request at a time."""

    def __init__(self, python: str, options: Mapping[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._spawn_lock = asyncio.Lock()
        self._reply: asyncio.Future[dict[str, Any]] | None = None
        self._children: dict[int, ForkedProcess] = {}
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = _start_process(python, options, theirs)
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._receive)

    @property
    def running(self) -> bool:
        return not self.ended.done()

    async def load(self, modules: list[str]) -> dict[str, Any]:
        """Import these modules: {"ready": True, "failed": …} or {"unsafe": the one with a thread}.

        Raises:
            ForkServerEnded: an import ended the process.
        """
        return await self._request(modules)

    async def spawn(self, launch: Launch, log: int, channel: int) -> "ForkedProcess":
        async with self._spawn_lock:
            reply = await self._request(_spawn_command(launch), log, channel)
        if "refused" in reply:
            raise StartError(f"No further process can be started: {reply['refused']}.")
        return self._children[reply["spawned"]]

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

    async def _request(self, message: Any, *files: int) -> dict[str, Any]:
        if not self.running:
            raise ForkServerEnded
        self._reply = self._loop.create_future()
        self._send(message, *files)
        return await self._reply

    def _send(self, message: Any, *files: int) -> None:
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
                self._children.pop(pid).exited.set_result(status)
            case {"spawned": pid} as reply:
                # At once, because the next message may already report its end.
                self._children[pid] = ForkedProcess(self, pid)
                self._answer(reply)
            case reply:
                self._answer(reply)

    def _answer(self, reply: dict[str, Any]) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def _close(self) -> None:
        if self.ended.done():
            return
        self.ended.set_result(None)
        self._loop.remove_reader(self._control)
        self._control.close()
        self._process.kill()
        self._process.wait()
        # The kernel killed its children with it.
        for child in self._children.values():
            child.exited.set_result(KILLED_STATUS)
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ForkServerEnded())


class ForkedProcess:
    def __init__(self, server: ForkServerProcess, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._server = server

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # Its parent sends it: only the parent knows that the pid has not been reused.
        if not self.exited.done():
            self._server.signal(self.pid, number)


def _start_process(
    python: str, options: Mapping[str, Any], control: socket.socket
) -> "subprocess.Popen[bytes]":
    arguments = [str(control.fileno()), str(os.getpid()), json.dumps(options)]
    try:
        return subprocess.Popen(
            [python, "-P", "-m", "lampwork.runtime.launching.fork_server", *arguments],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[control.fileno()],
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(f"Cannot start {python}: {error.strerror}.") from error
    finally:
        control.close()


def _environment() -> dict[str, str]:
    """Hide this process's variables from packages, and keep numeric ones from starting threads."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
    }


def _spawn_command(launch: Launch) -> dict[str, Any]:
    return {"spawn": launch.arguments, "environment": dict(launch.environment)}
