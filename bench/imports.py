"""The processor time that each function's module takes to import in a process of its own, as in a
cold start on Lambda, beside hello's (FastAPI and Mangum), and the packages that take most of it."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.report import show_table
from bench.servers import SAMPLE, environment_of_servers
from tests.conftest import ROOT
from tests.unit.test_template import function_modules

HEAVIEST = 10
OURS = ("functions", "shared")
STANDARD = sys.stdlib_module_names


@dataclass(frozen=True)
class Target:
    """A module to import, by a process that is started in this folder."""

    module: str
    folder: Path = ROOT

    def python(self, *options: str) -> list[str]:
        statement = f"import {self.module}" if self.module else "pass"
        return [sys.executable, *options, "-c", statement]


BARE = Target("")
HELLO = Target("app", SAMPLE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench imports", description=__doc__)
    parser.add_argument("--function", action="append", metavar="MODULE", help="only this one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modules", action="store_true", help="list modules, not packages")
    options = parser.parse_args(arguments)
    names = options.function or sorted(function_modules())
    if unknown := set(names) - function_modules():
        parser.error(f"no such function: {', '.join(sorted(unknown))}")
    functions = [Target(name) for name in names]
    targets = [BARE, HELLO, *functions]
    for each in targets:
        _milliseconds(each)  # compiles what was never compiled
    rounds = [[_milliseconds(each) for each in targets] for _ in range(options.rounds)]
    medians = [median(times) for times in zip(*rounds, strict=True)]
    rows = [
        [each.module or "a bare interpreter", f"{ms:.0f}", f"{ms / medians[1]:.1f}"]
        for each, ms in zip([BARE, Target("hello"), *functions], medians, strict=True)
    ]
    show_table((__doc__ or "").strip(), ["", "processor ms", "hellos"], rows)
    for each in functions:
        print(f"{each.module}: {', '.join(_heaviest(each, by_module=options.modules))}")
    return 0


def _milliseconds(target: Target) -> float:
    """Processor time from the start of the process to its end, since other programs lengthen the
    time by the clock."""
    process = subprocess.Popen(target.python(), cwd=target.folder, env=environment_of_servers())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, target.module)
    return (usage.ru_utime + usage.ru_stime) * 1000


def _heaviest(target: Target, *, by_module: bool) -> Iterator[str]:
    """The packages, or modules, in which most of the time is spent, without what they import."""
    finished = subprocess.run(
        target.python("-X", "importtime"),
        cwd=target.folder,
        env=environment_of_servers(),
        check=True,
        capture_output=True,
        text=True,
    )
    spent: Counter[str] = Counter()
    for module, microseconds in _self_times(finished.stderr.splitlines()):
        spent[module if by_module else _package(module)] += microseconds
    for name, microseconds in spent.most_common(HEAVIEST):
        yield f"{name} {microseconds / 1000:.1f} ms"


def _self_times(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Modules and microseconds from the lines of `-X importtime`:
    `import time: self [us] | cumulative | imported package`."""
    for line in lines:
        own, _, rest = line.removeprefix("import time:").partition("|")
        if line.startswith("import time:") and own.strip().isdecimal():
            yield rest.partition("|")[2].strip(), int(own)


def _package(module: str) -> str:
    top, _, rest = module.partition(".")
    if top in OURS:
        return f"{top}.{rest.partition('.')[0]}"
    return "standard library" if top in STANDARD else top
