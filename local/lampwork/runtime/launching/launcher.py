import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Launch:
    """What a function's process is to run. `environment` is the whole of what it will see.

    With a `debug_port` it waits there for a debugger before it loads the function.
    """

    handler: str
    code_dir: Path
    bytecode_dir: Path
    environment: Mapping[str, str]
    debug_port: int | None = None


class ChildProcess(Protocol):
    """A function's process, leader of a session of its own.

    `exited` resolves to its exit status, negative for a signal, when it has ended and whatever else
    was in its process group has been killed.
    """

    pid: int
    exited: asyncio.Future[int]

    def kill(self) -> None:
        """End it and its whole process group now. Harmless if it has ended already."""
        ...

    def freeze(self) -> None:
        """Let it, and its whole process group, run no further until `thaw`."""
        ...

    def thaw(self) -> None: ...


class Launcher(Protocol):
    """Starts functions' processes; all of them end when it is stopped or this process ends."""

    async def spawn(self, launch: Launch, log: int, channel: int) -> ChildProcess:
        """Start a process that writes to the file descriptor `log` and serves the socket `channel`.

        Raises:
            StartError: no process could be started.
        """
        ...

    async def preload(self, modules: Collection[str]) -> None:
        """Have these modules loaded beforehand in processes started from now on, if it can."""
        ...

    async def stop(self) -> None: ...
