"""Small projects of functions, run for real."""

import asyncio
import json
import os
import select
import textwrap
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lampwork.invocation.port import Invocation
from lampwork.runtime.functions import Functions
from lampwork.runtime.settings import RuntimeSettings
from lampwork.stack.model import Function


@dataclass
class Running:
    functions: Functions
    lines: list[tuple[str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def invoke(self, function: str = "app", event: Any = None, **more: Any) -> Invocation:
        return await self.functions.invoke(function, json.dumps(event).encode(), **more)

    async def result(self, function: str = "app", event: Any = None, **more: Any) -> Any:
        invocation = await self.invoke(function, event, **more)
        assert invocation.function_error is None, invocation.payload
        return json.loads(invocation.payload)

    async def error(self, function: str = "app", event: Any = None) -> dict[str, Any]:
        invocation = await self.invoke(function, event)
        assert invocation.function_error == "Unhandled"
        error: dict[str, Any] = json.loads(invocation.payload)
        # The id differs each time, so it is masked for comparison.
        if "errorMessage" in error:
            error["errorMessage"] = error["errorMessage"].replace(invocation.request_id, "<id>")
        return error

    async def printed(self, line: str) -> None:
        """Wait until some function prints this line."""
        async with asyncio.timeout(10):
            while line not in [each for _, each in self.lines]:
                self.changed.clear()
                await self.changed.wait()

    def log(self, function: Function, line: str) -> None:
        self.lines.append((function.name, line))
        self.changed.set()


def write(folder: Path, module: str, source: str) -> Path:
    file = folder / f"{module.replace('.', '/')}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(source))
    return file


def function(folder: Path, source: str, *, name: str = "app", **options: Any) -> Function:
    """A function whose module is its name."""
    write(folder, name, source)
    return Function(name.title(), name, f"{name}.handler", folder, **options)


@asynccontextmanager
async def running(*functions: Function, **options: Any) -> AsyncIterator[Running]:
    settings = RuntimeSettings(data_dir=functions[0].code_dir / ".data", **options)
    by_id = {each.logical_id: each for each in functions}
    run = Running(Functions(by_id, settings, lambda each, line, _: run.log(each, line)))
    try:
        await run.functions.start()
        await run.functions.preload()
        yield run
    finally:
        await run.functions.stop()


def processes_of(parent: int) -> list[int]:
    """All processes in which an emulator, the process `parent`, runs functions."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any("lampwork.runtime." in word for word in words) and str(parent) in words:
            found.append(int(folder.name))
    return found


class Ends:
    """Watches for processes to end; create it before they are expected to."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._files = [os.pidfd_open(pid) for pid in pids]

    def wait(self, seconds: float = 5) -> bool:
        """Whether all of them end within this time."""
        ended = [bool(select.select([file], [], [], seconds)[0]) for file in self._files]
        for file in self._files:
            os.close(file)
        return all(ended)
