"""One cold start of a function: a process of its own from nothing, which serves one request."""

import asyncio
import secrets
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lampwork.errors import StartError
from lampwork.events.trace_lineage import trace_of_invocation
from lampwork.runtime.channel import Answer, Channel, Ready, Work
from lampwork.runtime.cold_start.import_trace import Import
from lampwork.runtime.execution import function_errors
from lampwork.runtime.execution.log_pipe import LogPipe
from lampwork.runtime.execution.memory import peak_memory
from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.launch import launch_of
from lampwork.stack.model import Function

# Twelve times what Lambda gives an init: a slow one should be measured, too.
MOST_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a process's life: seconds by the clock, and seconds of processor time."""

    seconds: float
    processor: float


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What a cold start took. `memory` is the most that the process held, in bytes.

    `imports` are those of the init, and `late_imports` those of the first request, of a process
    that was traced. `problem` says why there is no first request, or how it failed.
    """

    init: Span
    first: Span | None = None
    memory: int = 0
    problem: str = ""
    imports: Sequence[Import] = ()
    late_imports: Sequence[Import] = ()


async def start_once(
    function: Function,
    settings: RuntimeSettings,
    launcher: ColdLauncher,
    event: bytes,
    *,
    traced: bool = False,
) -> ColdStart:
    """Start the function, have it serve this event, and end its process.

    Raises:
        StartError: there is no process, or no end of its start or of its request.
    """
    folder = settings.temporary_dir / secrets.token_hex(8)
    folder.mkdir(mode=0o700, parents=True)
    trace_id = trace_of_invocation(None, function.arn)
    launch = replace(launch_of(function, settings, trace_id, folder), traces_imports=traced)
    said: asyncio.Queue[Ready | Answer | int] = asyncio.Queue()
    imports: list[Import] = []
    channel = await Channel.open(said.put_nowait, on_import=imports.append)
    pipe = LogPipe(lambda line: None)
    try:
        began = time.perf_counter()
        try:
            process = await launcher.spawn(launch, pipe.writer, channel.remote_fd)
        finally:
            pipe.release_writer()
        process.exited.add_done_callback(lambda exited: said.put_nowait(exited.result()))
        try:
            outcome = await _next(said, function)
            init = Span(time.perf_counter() - began, _processor_time(process.pid))
            if not isinstance(outcome, Ready):
                return ColdStart(init, problem=_problem(outcome), imports=imports)
            at_init = len(imports)
            asked = time.perf_counter()
            channel.send(_work(function, trace_id, event))
            outcome = await _next(said, function)
            spent = _processor_time(process.pid) - init.processor
            return ColdStart(
                init,
                Span(time.perf_counter() - asked, max(spent, 0)),
                peak_memory(process.pid),
                _problem(outcome),
                imports[:at_init],
                imports[at_init:],
            )
        finally:
            process.kill()
            await asyncio.wait([process.exited])
    finally:
        channel.close()
        pipe.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _next(
    said: "asyncio.Queue[Ready | Answer | int]", function: Function
) -> Ready | Answer | int:
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await said.get()
    except TimeoutError as error:
        raise StartError(
            f"{function.logical_id} takes more than {MOST_SECONDS} seconds to start or to answer."
        ) from error


def _problem(outcome: Ready | Answer | int) -> str:
    match outcome:
        case Answer(payload, failed=True):
            return function_errors.log_line(payload).removeprefix("[ERROR] ")
        case int(status):
            return function_errors.exit_reason(status)
        case _:
            return ""


def _work(function: Function, trace_id: str, event: bytes) -> Work:
    return Work(
        request_id=str(uuid.uuid4()),
        payload=event,
        function_arn=function.invoked_arn,
        trace_id=trace_id,
        deadline_ms=int((time.time() + function.timeout_seconds) * 1000),
        tenant="coldstart" if function.isolates_tenants else None,
    )


def _processor_time(pid: int) -> float:
    """Seconds that all threads of the process have used; 0 if it has ended.

    The clock of another process, as the C library makes its number of the process's:
    https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
