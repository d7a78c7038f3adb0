import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Launch:
    """What a function's process runs. `environment` holds all its variables: it inherits none.

    With a `debug_port`, it waits there for a debugger before it loads the function.
    """

    handler: str
    code_dir: Path
    bytecode_dir: Path
    environment: Mapping[str, str]
    debug_port: int | None = None


class ChildProcess(Protocol):
    """A function's process, which leads a session of its own.

    `exited` resolves to its exit status (negative for a signal) once it has ended and the rest of
    its process group has been killed.
    """

    pid: int
    exited: asyncio.Future[int]

    def kill(self) -> None:
        """Kill it and its whole process group. Does nothing if it has ended already."""
        ...

    def freeze(self) -> None:
        """Suspend it and its whole process group until `thaw`."""
        ...

    def thaw(self) -> None: ...


class Launcher(Protocol):
    """Starts functions' processes. All of them end when it stops or when this process ends."""

    async def spawn(self, launch: Launch, log: int, channel: int) -> ChildProcess:
        """Start a process that writes to the file descriptor `log` and serves the socket `channel`.

        Raises:
            StartError: no process could be started.
        """
        ...

    async def preload(self, modules: Collection[str]) -> None:
        """Load these modules once for all processes started from now on, if the launcher can."""
        ...

    async def stop(self) -> None: ...
