"""The processor time that each function's module takes to import in a process of its own, as in a
cold start on Lambda, beside hello's (FastAPI and Mangum), which is measured right before each, and
the packages that take most of it."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench.report import show_table
from bench.servers import SAMPLE, environment_of_servers
from lampwork.template.source.document import read_document
from local import bundle
from tests.conftest import ROOT
from tests.unit.test_template import function_modules

HEAVIEST = 10
OURS = ("functions", "shared")
STANDARD = sys.stdlib_module_names


@dataclass(frozen=True)
class Target:
    """A module to import, by a process that is started in this folder and finds packages there."""

    module: str
    folder: Path = ROOT
    interpreter: str = sys.executable
    packages: tuple[Path, ...] = ()

    def python(self, *options: str) -> list[str]:
        statement = f"import {self.module}" if self.module else "pass"
        return [self.interpreter, *options, "-c", statement]

    def environment(self) -> dict[str, str]:
        found = {"PYTHONPATH": os.pathsep.join(map(str, self.packages))} if self.packages else {}
        return {**environment_of_servers(), **found}


BARE = Target("")
HELLO = Target("app", SAMPLE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench imports", description=__doc__)
    parser.add_argument("--function", action="append", metavar="MODULE", help="only this one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--built", type=Path, metavar="FOLDER", help="import from what `sam build` made, as Lambda"
    )
    parser.add_argument("--modules", action="store_true", help="list modules, not packages")
    options = parser.parse_args(arguments)
    known = _built(options.built) if options.built else _of_the_source()
    names = options.function or sorted(known)
    if unknown := set(names) - known.keys():
        parser.error(f"no such function: {', '.join(sorted(unknown))}")
    functions = [known[name] for name in names]
    first = functions[0]
    beside = (first.interpreter, first.packages[1:])  # hello has the packages, but not the code
    bare, hello = (
        replace(each, interpreter=beside[0], packages=beside[1]) for each in (BARE, HELLO)
    )
    targets = [bare, hello, *functions]
    for each in targets:
        _milliseconds(each)  # compiles what was never compiled
    rows = []
    for each in targets:
        pairs = [(_milliseconds(hello), _milliseconds(each)) for _ in range(options.rounds)]
        name = {"": "a bare interpreter", "app": "hello"}.get(each.module, each.module)
        ratio = median(ms / hellos for hellos, ms in pairs)
        rows.append([name, f"{median(ms for _, ms in pairs):.0f}", f"{ratio:.1f}"])
    show_table((__doc__ or "").strip(), ["", "processor ms", "hellos"], rows)
    for each in functions:
        print(f"{each.module}: {', '.join(_heaviest(each, by_module=options.modules))}")
    return 0


def _of_the_source() -> dict[str, Target]:
    return {name: Target(name) for name in function_modules()}


def _built(folder: Path) -> dict[str, Target]:
    """The functions in the folders that `make built-test` has built for this machine."""
    interpreter = bundle.compiler()
    if interpreter is None:
        sys.exit(bundle.NO_COMPILER)
    found = {}
    for name, resource in read_document(folder / "template.yaml").resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        module = str(resource["Properties"]["Handler"]).rpartition(".")[0]
        layers = ["DependenciesLayer", *(["PaintingLayer"] if name == "TasksGenerate" else [])]
        packages = (folder / name, *(folder / each / "python" for each in layers))
        found[module] = Target(module, Path("/"), interpreter, tuple(p.resolve() for p in packages))
    return found


def _milliseconds(target: Target) -> float:
    """Processor time from the start of the process to its end, since other programs lengthen the
    time by the clock."""
    process = subprocess.Popen(target.python(), cwd=target.folder, env=target.environment())
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
        env=target.environment(),
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
