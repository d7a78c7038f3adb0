"""What cold starts of a project's functions take: `lampwork coldstart`."""

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Final

from lampwork.app.alone.first_event import first_event
from lampwork.app.alone.opening import opened_alone
from lampwork.app.packages.package_sizes import parts, size_of_folder
from lampwork.app.project.options import Options
from lampwork.logs.log import Log
from lampwork.runtime.cold_start.import_trace import Import
from lampwork.runtime.cold_start.measuring import ColdStart, Span, start_once
from lampwork.runtime.execution.memory import MEBIBYTE
from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.mounts import OPT, TASK
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Function

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
LEAST_MEGABYTES: Final = 128
MOST_MEGABYTES: Final = 10_240
# A later request may hold somewhat more than the first one.
HEADROOM: Final = 1.1
RUNTIME_CLIENT: Final = "awslambdaric"  # which Lambda has
# In the path of whatever is installed, before the name of its folder or module.
INSTALLED: Final = ("/site-packages/", "/dist-packages/")


@dataclass(frozen=True, slots=True)
class Report:
    """A function's cold starts: the medians, the most memory in bytes that one of them held, and
    the imports of one that was traced.

    `sizes` are bytes of the bundle by its parts. `loaded_packages` are bytes of the packages in
    Python's own environment that it imports: they are no part of the bundle here, and belong into
    the one that is deployed. `problem` says how the first request failed.
    """

    function: Function
    runs: int
    init: Span
    first: Span | None
    memory: int
    problem: str
    imports: Sequence[Import]
    late_imports: Sequence[Import]
    sizes: Mapping[str, int]
    loaded_packages: int

    @property
    def smallest_memory(self) -> int:
        """The smallest MemorySize in MB that holds what it needs and a tenth more."""
        return max(LEAST_MEGABYTES, math.ceil(self.memory * HEADROOM / MEBIBYTE))


async def measure(
    options: Options,
    log: Log,
    names: Sequence[str],
    runs: int,
    *,
    event: bytes | None = None,
    progress: Callable[[str], None],
) -> list[Report]:
    """Start each of these functions, or all, so many times and then once to trace its imports.

    The functions take turns, so that a machine that becomes slower is slower for all of them. What
    has never been compiled is compiled by a start before these, which does not count. `event` is
    the first request, in JSON; without one, it is made from what leads to the function.

    Raises:
        LampworkError: the project or a function does not start, or there is no such function.
    """
    async with opened_alone(options, log) as alone:
        project = alone.project
        functions = project.functions.served
        chosen = [FunctionNames(functions).get(name) for name in names] or list(functions.values())
        settings = project.runtime_settings()
        pythons = {each.logical_id: settings.python_of(each) for each in chosen}
        starters = {python: ColdLauncher(python) for python in pythons.values()}
        launchers = {name: starters[python] for name, python in pythons.items()}
        events = {
            each.logical_id: event or json.dumps(first_event(project.stack, each)).encode()
            for each in chosen
        }
        try:
            for function in chosen:
                progress(f"Preparing {function.logical_id}")
                await project.installations.install(function)
                name = function.logical_id
                await start_once(function, settings, launchers[name], events[name])
            starts: dict[str, list[ColdStart]] = {each.logical_id: [] for each in chosen}
            for turn in range(1, runs + 1):
                for function in chosen:
                    name = function.logical_id
                    progress(f"Start {turn} of {runs}: {name}")
                    starts[name].append(
                        await start_once(function, settings, launchers[name], events[name])
                    )
            size_of = cache(size_of_folder)
            reports = []
            for function in chosen:
                name = function.logical_id
                progress(f"Tracing the imports of {name}")
                traced = await _traced(function, settings, launchers[name], events[name])
                reports.append(_report(function, starts[name], traced, size_of))
            return reports
        finally:
            await asyncio.gather(*(each.stop() for each in starters.values()))


async def _traced(
    function: Function, settings: RuntimeSettings, launcher: ColdLauncher, event: bytes
) -> ColdStart | None:
    """None for a function that is not Python's."""
    if function.is_node or function.web_adapter:
        return None
    return await start_once(function, settings, launcher, event, traced=True)


def _report(
    function: Function,
    starts: Sequence[ColdStart],
    traced: ColdStart | None,
    size_of: Callable[[Path], int],
) -> Report:
    firsts = [start.first for start in starts if start.first is not None]
    imports = _of_function(traced.imports) if traced else ()
    late_imports = _of_function(traced.late_imports) if traced else ()
    return Report(
        function,
        len(starts),
        _median([start.init for start in starts]),
        _median(firsts) if firsts else None,
        max(start.memory for start in starts),
        next((start.problem for start in starts if start.problem), ""),
        imports,
        late_imports,
        parts(function, size_of),
        sum(map(_size, _environments_packages([*imports, *late_imports], function))),
    )


def _of_function(imports: Sequence[Import]) -> list[Import]:
    """Those that the runtime client does not make for itself."""
    return [each for each in imports if each.module.partition(".")[0] != RUNTIME_CLIENT]


def _median(spans: Sequence[Span]) -> Span:
    return Span(median(span.seconds for span in spans), median(span.processor for span in spans))


def _environments_packages(imports: Iterable[Import], function: Function) -> set[Path]:
    """The installed packages and modules among these that are in none of the function's folders."""
    found: set[Path] = set()
    left = list(imports)
    folders = (TASK, OPT, *function.packages, *function.layers)
    own = tuple(f"{each}/" for each in folders)
    while left:
        node = left.pop()
        left += node.children
        for place in INSTALLED:
            before, mark, after = node.file.partition(place)
            if (
                mark
                and before.startswith("/")
                and not node.file.startswith((f"{TASK}/", f"{OPT}/", *own))
            ):
                found.add(Path(before + mark) / after.split("/")[0])
    return found


def _size(path: Path) -> int:
    """0 if it has gone, or if only the function's process finds it there."""
    if path.is_dir():
        return size_of_folder(path)
    return path.stat().st_size if path.is_file() else 0
