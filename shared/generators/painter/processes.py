"""Painting in other processes.

Painting is thousands of short steps that hold the interpreter: of two threads of one process, each
waits for the other half of the time.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from shared.generators.port import GenerationFailed, GenerationParameters

IDLE_SECONDS = 60.0


class Processes:
    """As many as paint at once. Each is kept for the next picture until it was idle for a while."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._idle: dict[Process, threading.Timer] = {}
        self._lock = threading.Lock()

    def paint(
        self, prompt: str, parameters: GenerationParameters, report: Callable[[float], None]
    ) -> bytes:
        """As `picture.paint`. If `report` raises, the process that paints ends with the picture.

        Raises:
            GenerationFailed: the process has died, as by a lack of memory; another may paint it.
        """
        process = self._take()
        try:
            picture = process.paint(prompt, parameters, report)
        except (EOFError, ConnectionError) as error:
            process.end()
            raise GenerationFailed(
                "generator_error", "The process that painted has died.", retryable=True
            ) from error
        except BaseException:
            process.end()
            raise
        self._keep(process)
        return picture

    def _take(self) -> "Process":
        with self._lock:
            idle = self._idle.popitem() if self._idle else None
        if idle is None:
            return Process()
        process, timer = idle
        timer.cancel()
        return process

    def _keep(self, process: "Process") -> None:
        timer = threading.Timer(self._idle_seconds, self._end_idle, [process])
        timer.daemon = True
        with self._lock:
            self._idle[process] = timer
        timer.start()

    def _end_idle(self, process: "Process") -> None:
        with self._lock:
            was_idle = self._idle.pop(process, None)
        if was_idle:
            process.end()


class Process:
    """One that paints. It ends with its end of the channel, so also when this process is killed."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                pass_fds=[theirs.fileno()],
            )
        self._channel = Connection(ours.detach())

    @property
    def pid(self) -> int:
        return self._process.pid

    def paint(
        self, prompt: str, parameters: GenerationParameters, report: Callable[[float], None]
    ) -> bytes:
        self._channel.send((prompt, parameters))
        while isinstance(told := self._channel.recv(), float):
            report(told)
        picture: bytes = told
        return picture

    def end(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()


def serve(channel: Connection) -> None:
    """Paint what is asked for: to each question, fractions and then the picture."""
    from shared.generators.painter.picture import paint

    while True:
        try:
            prompt, parameters = channel.recv()
        except EOFError:
            return
        channel.send(paint(prompt, parameters, channel.send))


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):  # whoever asked decides whether it paints on
        signal.signal(each, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
