import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from lampwork.runtime.world.mounts import World

BOOTSTRAP: Final = "lampwork.runtime.launching.bootstrap"


@dataclass(frozen=True, slots=True)
class Launch:
    """What a function's process runs. `environment` holds all its variables: it inherits none.

    The process finds its code at `root`, which is `code_dir` unless it is in a `world`. Python
    finds modules in `packages` after those of the code; `editables` are the folders of requirements
    with their places on Python's path. `own_folders` are the folders of the function's layers and
    requirements. With a `debug_port`, the process waits there for a debugger before it loads the
    function. One that `traces_imports` tells what it imports. `wrapper_script` starts the runtime.
    `program` is the command of a runtime other than Python's, and `client` the folder of its
    runtime client. An `extension` is a program that runs instead of all that. `multiprocessing`
    lets the function make locks that Lambda refuses. `hosts` are those of AWS that lead to a port
    of this machine.
    """

    handler: str
    code_dir: Path
    bytecode_dir: Path
    environment: Mapping[str, str]
    root: str
    packages: tuple[str, ...] = ()
    editables: tuple[tuple[str, str], ...] = ()
    own_folders: tuple[str, ...] = ()
    world: World | None = None
    wrapper_script: str | None = None
    program: tuple[str, ...] = ()
    client: str | None = None
    extension: str | None = None
    multiprocessing: bool = False
    hosts: Mapping[str, int] = field(default_factory=dict)
    debug_port: int | None = None
    traces_imports: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `bootstrap.run`, in JSON's types."""
        task: dict[str, Any] = {
            "handler": self.handler,
            "root": self.root,
            "packages": self.packages,
            "editables": self.editables,
            "code_dir": str(self.code_dir),
            "own_folders": self.own_folders,
            "bytecode_dir": str(self.bytecode_dir),
            "debug_port": self.debug_port,
            "multiprocessing": self.multiprocessing,
            "hosts": dict(self.hosts),
        }
        if self.traces_imports:
            task["traces_imports"] = True
        if self.client:
            task["client"] = self.client
        return {
            "world": asdict(self.world) if self.world else None,
            "wrapper_script": self.wrapper_script,
            "program": self.program,
            "extension": self.extension,
            "task": task,
        }


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

    def terminate(self) -> None:
        """Ask it and its whole process group to end (SIGTERM)."""
        ...

    def freeze(self) -> None:
        """Suspend it and its whole process group until `thaw`."""
        ...

    def thaw(self) -> None: ...


class Launcher(Protocol):
    """Starts the processes of functions. All of them end when this process ends."""

    async def spawn(self, launch: Launch, log: int, channel: int) -> ChildProcess:
        """Start a process that writes to the file descriptor `log` and serves the socket `channel`.

        Raises:
            StartError: no process could be started.
        """
        ...
