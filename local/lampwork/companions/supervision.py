import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lampwork.companions.pidfile import PidFile
from lampwork.errors import StartError
from lampwork.seams import UNFIT, UnknownVersion

FIRST_DELAY_SECONDS: Final = 0.2
LONGEST_DELAY_SECONDS: Final = 10.0
STABLE_SECONDS: Final = 10.0
MAX_LINE_BYTES: Final = 256 * 1024
KEPT_LINES: Final = 20
MOST_FINISHING: Final = 4

OnLog = Callable[[str, str], None]
"""Called with the source's name and one line of its output, without the newline."""

Ready = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `environment` holds all its variables: it inherits none.

    The output of a `quiet` program is shown only if it fails. One with a `finish_signal` may run on
    beside its successor for `finish_seconds`, to finish what it is at: all its processes get that
    signal before the leader gets the `stop_signal`, and ignore it unless they know it.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    run_dir: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10
    finish_signal: signal.Signals | None = None
    finish_seconds: float = 600
    pass_fds: tuple[int, ...] = ()
    quiet: bool = False


class Child:
    """A started program. It leads a session of its own and gets SIGTERM when this process dies."""

    def __init__(self, program: Program, process: Process, output: asyncio.Task[None]) -> None:
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.unfit = ""  # which package does not fit, if it says so
        self._program = program
        self._process = process
        self._output = output
        self._pid_file = PidFile(program.run_dir / f"{program.name}.pid")
        self._pid_file.write(process.pid)
        self._has_ended = False

    @classmethod
    async def start(cls, program: Program, on_log: OnLog) -> "Child":
        def on_line(line: str) -> None:
            if line.startswith(UNFIT):
                child.unfit = line.removeprefix(UNFIT)
                return
            child.last_lines.append(line)
            if not program.quiet:
                on_log(program.name, line)

        reader, writer = os.pipe()
        try:
            process = await _spawn(program, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        child = cls(program, process, asyncio.create_task(_read_lines(reader, on_line)))
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """As `subprocess.Popen.returncode`."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end, kill what it left running, and return its exit status."""
        status = await self._process.wait()
        self._signal_group(signal.SIGKILL)
        await asyncio.wait([self._output], timeout=1)
        self._output.cancel()
        self._pid_file.remove()
        self._has_ended = True
        return status

    async def stop(self) -> None:
        """Send its stop signal, wait out its grace period, then kill its whole process group."""
        self._signal(self._program.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), self._program.grace_seconds)
        except TimeoutError:
            self._signal_group(signal.SIGKILL)
        await self.wait()

    def let_go(self) -> None:
        """Make room for a successor of the same name."""
        if not self._has_ended:
            name = f"{self._program.name}.{self.pid}"
            self._pid_file.move(self._program.run_dir / f"{name}.pid")

    async def finish(self) -> None:
        """Tell it to take up nothing new, and wait until it has finished what it is at."""
        if not self._has_ended and self._program.finish_signal is not None:
            self._signal_group(self._program.finish_signal)
            self._signal(self._program.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._program.finish_seconds):
                    await self._process.wait()
        await self.stop()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._has_ended:  # its pid may have been reused
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Supervised:
    """Keeps one program running: restarts it whenever it ends, after ever longer delays.


    One that ends because a package does not fit it is not started again; `on_unfit` hears why.
    """

    def __init__(
        self, program: Program, on_log: OnLog, on_unfit: Callable[[str], None] | None = None
    ) -> None:
        self.program = program
        self._on_unfit = on_unfit
        self._on_log = on_log
        self._child: Child | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._finishing: dict[Child, asyncio.Task[None]] = {}

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self, ready: Ready | None = None, timeout_seconds: float = 30) -> None:
        """Start it and, given `ready`, wait until that returns True.

        Raises:
            StartError: it ended before it was ready, or was not ready in time.
        """
        self._child = await Child.start(self.program, self._on_log)
        try:
            if ready is not None:
                await _until_ready(self._child, self.program.name, ready, timeout_seconds)
        except BaseException:
            await self._child.stop()
            raise
        self._supervision = asyncio.create_task(self._supervise(), name=f"keep {self.program.name}")

    async def stop(self) -> None:
        await self._stop_supervision()
        finishing, self._finishing = self._finishing, {}
        for task in finishing.values():
            task.cancel()
        children = [*finishing, *([self._child] if self._child is not None else [])]
        self._child = None
        await asyncio.gather(*(child.stop() for child in children))

    async def restart(self) -> None:
        """Run `program` as it is now. What the present process is at it finishes, if it can."""
        if self.program.finish_signal is None or self._child is None:
            await self.stop()
            await self.start()
            return
        await self._stop_supervision()
        child, self._child = self._child, None
        child.let_go()
        self._finishing[child] = asyncio.create_task(child.finish())
        self._finishing[child].add_done_callback(lambda _: self._finishing.pop(child, None))
        await self.start()
        for oldest in list(self._finishing)[:-MOST_FINISHING]:
            self._finishing.pop(oldest).cancel()
            await oldest.stop()

    async def _stop_supervision(self) -> None:
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait([self._supervision])
            self._supervision = None

    async def _supervise(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while self._child is not None:
            started = time.monotonic()
            status = await self._child.wait()
            if self._child.unfit and self._on_unfit is not None:
                self._on_unfit(self._child.unfit)
                return
            if time.monotonic() - started > STABLE_SECONDS:
                delay = FIRST_DELAY_SECONDS
            output = "".join(f"\n{line}" for line in self._child.last_lines if self.program.quiet)
            self._on_log(
                self.program.name,
                f"It {describe_exit(status)}; starting it again in {delay:g} s.{output}",
            )
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            self._child = await Child.start(self.program, self._on_log)


async def run_to_end(program: Program, on_log: OnLog) -> None:
    """Run a command to its end.

    Raises:
        StartError: it failed. Its output has gone to `on_log`.
    """
    child = await Child.start(program, on_log)
    try:
        status = await child.wait()
    except asyncio.CancelledError:
        await child.stop()
        raise
    if status != 0:
        raise StartError(
            f"The command {program.name} ({' '.join(program.argv)}) {describe_exit(status)};"
            " its output is above. Fix the cause and start again."
        )


def describe_exit(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


async def _spawn(program: Program, output: int) -> Process:
    shim = Path(__file__).with_name("exec_shim.py")
    ignored = program.finish_signal or 0
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(shim), f"{os.getpid()}", f"{ignored:d}", *program.argv),
        stdin=DEVNULL,
        stdout=output,
        stderr=output,
        cwd=program.cwd,
        env=dict(program.environment),
        start_new_session=True,
        pass_fds=program.pass_fds,
    )


async def _read_lines(descriptor: int, on_line: Callable[[str], None]) -> None:
    # With a pipe of our own, we can wait for the process while a grandchild still holds the pipe.
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    partial = b""
    try:
        while chunk := await reader.read(64 * 1024):
            *lines, partial = (partial + chunk).split(b"\n")
            if len(partial) > MAX_LINE_BYTES:
                lines, partial = [*lines, partial], b""
            for line in lines:
                on_line(line.decode(errors="replace").rstrip("\r"))
        if partial:
            on_line(partial.decode(errors="replace"))
    finally:
        transport.close()


async def _until_ready(child: Child, name: str, ready: Ready, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not await ready():
        if child.status is not None:
            await child.wait()
            if child.unfit:
                raise UnknownVersion(child.unfit)
            raise StartError(_did_not_start(name, describe_exit(child.status), child.last_lines))
        if time.monotonic() > deadline:
            slow = f"did not answer within {timeout_seconds:g} s"
            raise StartError(_did_not_start(name, slow, child.last_lines))
        await asyncio.sleep(0.02)


def _did_not_start(name: str, what: str, lines: deque[str]) -> str:
    output = "".join(f"\n  {line}" for line in lines)
    return f"The service {name} {what} before it was ready." + (output and f" It said:{output}")
