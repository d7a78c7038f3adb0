import asyncio
import json
import os
import signal
import subprocess

from lampwork.errors import StartError
from lampwork.interpreters.python import Python
from lampwork.runtime.launching.bootstrap import PYTHONPATH_FOR_LATER
from lampwork.runtime.launching.launcher import BOOTSTRAP, Launch


class ColdLauncher:
    """Starts every function in a fresh Python, as AWS does, which shows its true init time."""

    def __init__(self, python: Python) -> None:
        self._python = python
        self._children: set[ColdProcess] = set()

    async def spawn(self, launch: Launch, log: int, channel: int) -> "ColdProcess":
        environment = dict(launch.environment)
        if (python_path := environment.pop("PYTHONPATH", None)) is not None:
            environment[PYTHONPATH_FOR_LATER] = python_path
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - it dies with the thread that starts it
                [
                    *self._python.command(BOOTSTRAP),
                    str(os.getpid()),
                    str(channel),
                    "function",
                    json.dumps(launch.arguments),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[channel],
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(f"Cannot start {self._python.path}: {error.strerror}.") from error
        child = ColdProcess(process)
        self._children.add(child)
        child.exited.add_done_callback(lambda _: self._children.discard(child))
        return child

    async def stop(self) -> None:
        for child in list(self._children):
            child.kill()
            await asyncio.wait([child.exited])


class ColdProcess:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._ended)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if not self.exited.done():
            os.killpg(self.pid, number)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        # Its pid is not reused before it is reaped, so it is safe to kill what it left behind.
        os.killpg(self.pid, signal.SIGKILL)
        self.exited.set_result(self._process.wait())
