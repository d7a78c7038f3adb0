"""Strangers' templates: which of them Lampwork reads, starts and serves without a word."""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.servers import BIN
from lampwork.errors import TemplateError
from lampwork.template.source.syntax import read_content

SUFFIXES: Final = (".yaml", ".yml", ".json", ".template")
# What tools write beside a project's own templates. The CDK's output stays: it is its template.
PASSED_OVER: Final = frozenset(
    (".aws-sam", ".git", ".lampwork", ".tox", ".venv", "node_modules", "site-packages", "venv")
)
LARGEST_BYTES: Final = 2_000_000
FUNCTIONS: Final = frozenset(("AWS::Lambda::Function", "AWS::Serverless::Function"))
PROBLEMS: Final = (
    *(" cannot be loaded", " has no module ", "cannot be installed"),
    *(" is refused: ", " cannot be created by ", "Traceback"),
)
UP: Final = "Lampwork is up: "
NOT_EMULATED: Final = "Not emulated: "
EXAMPLES: Final = 3
STOP_SECONDS: Final = 15
LOGGED: Final = re.compile(r"^\d\d:\d\d:\d\d \S+ +")
# What differs from one template to the next in a message about the same fault.
PARTICULAR: Final = (
    (re.compile(r"(?:/[\w.@+-]+)+/?"), "PATH"),
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`"), "'…'"),
    (re.compile(r"\b[\w.-]+\.(?:ya?ml|json|template)\b"), "FILE"),
    (re.compile(r"(?<![A-Za-z])\d+"), "N"),
)


@dataclass
class Outcome:
    """What became of one template. `reason` says why it was not read or did not start, `named` are
    the kinds of resources that it was told are not emulated, `problems` what its functions lack."""

    template: Path
    read: bool = False
    started: bool = False
    reason: str = ""
    named: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench strangers", description=__doc__)
    parser.add_argument("folder", type=Path, help="every template below it is read and started")
    parser.add_argument("--jobs", type=int, default=2, help="templates at a time (2)")
    parser.add_argument("--seconds", type=float, default=60, help="limit of one start (60)")
    parser.add_argument("--read-only", action="store_true", help="start nothing")
    parser.add_argument("--json", type=Path, help="a file for the outcome of each template")
    given = parser.parse_args(arguments)
    templates = list(find_templates(given.folder))
    if not templates:
        parser.error(f"no template with a function lies below {given.folder}")
    outcomes = asyncio.run(
        _drive_all(templates, given.jobs, given.seconds, starts=not given.read_only)
    )
    print("\n".join(report(outcomes, given.folder, starts=not given.read_only)))
    if given.json:
        rows = [{**vars(each), "template": str(each.template)} for each in outcomes]
        given.json.write_text(json.dumps(rows, indent=1))
    return 0


def find_templates(folder: Path) -> Iterator[Path]:
    """The templates below a folder that have a function, in order."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - PASSED_OVER)
        for name in sorted(files):
            file = Path(place, name)
            if name.endswith(SUFFIXES) and _has_function(file):
                yield file.resolve()


def _has_function(file: Path) -> bool:
    if file.is_symlink() or file.stat().st_size > LARGEST_BYTES:
        return False
    text = file.read_text(errors="replace")
    # A state machine and a list of events name such types, too, but have no resources.
    return "Resources" in text and any(each in text for each in FUNCTIONS)


def stand_ins(template: Path) -> dict[str, str]:
    """A value for each parameter that has no default, as somebody who tries the template would
    give one."""
    try:
        content = read_content(template, lambda _: None)
    except TemplateError:  # `lampwork routes` will say what is wrong with it
        return {}
    declared = content.get("Parameters")
    if not isinstance(declared, Mapping):
        return {}
    return {
        name: _stand_in(each)
        for name, each in declared.items()
        if isinstance(each, Mapping) and "Default" not in each
    }


def _stand_in(parameter: Mapping[str, object]) -> str:
    allowed = parameter.get("AllowedValues")
    if isinstance(allowed, list) and allowed:
        return str(allowed[0])
    if "Number" in str(parameter.get("Type")):
        return str(parameter.get("MinValue", 1))
    return "stranger"


async def _drive_all(
    templates: Sequence[Path], jobs: int, seconds: float, *, starts: bool
) -> list[Outcome]:
    free = asyncio.Semaphore(jobs)
    done = 0

    async def drive(template: Path) -> Outcome:
        nonlocal done
        async with free:
            outcome = await _drive(template, seconds, starts=starts)
        done += 1
        word = "up" if outcome.started else "read" if outcome.read else "failed"
        print(f"{done}/{len(templates)} {word}: {template} {outcome.reason}", file=sys.stderr)
        return outcome

    return list(await asyncio.gather(*map(drive, templates)))


async def _drive(template: Path, seconds: float, *, starts: bool) -> Outcome:
    outcome = Outcome(template)
    with tempfile.TemporaryDirectory(prefix="strangers-") as data:
        values = [f"--parameter={name}={value}" for name, value in stand_ins(template).items()]
        common = ["-t", str(template), "--data", data, *values]
        read = await _Lampwork.run(["routes", *common], template.parent, seconds)
        outcome.named = [_kind(line) for line in read.lines if line.startswith(NOT_EMULATED)]
        outcome.read = read.status == 0
        if not outcome.read:
            outcome.reason = read.reason
        elif starts:
            up = await _Lampwork.run(["up", *common, "--port", "0"], template.parent, seconds)
            outcome.started = up.is_up
            outcome.reason = "" if up.is_up else up.reason
            said = (LOGGED.sub("", line) for line in up.lines)
            outcome.problems = [line for line in said if _is_a_problem(line)]
    return outcome


@dataclass
class _Lampwork:
    """A command that has ended: itself, or after it said that it was up."""

    lines: list[str] = field(default_factory=list)
    status: int | None = None
    is_up: bool = False
    late: bool = False

    @property
    def reason(self) -> str:
        if self.late:
            return "neither up nor ended within the limit"
        said = [line for line in self.lines if line and not line.startswith(NOT_EMULATED)]
        if any(line.startswith("Traceback") for line in said):
            return f"traceback: {said[-1]}"
        errors = [line for line in said if line.startswith(("Error: ", "Usage: "))]
        return (errors or said or [f"ended with status {self.status}"])[-1]

    @classmethod
    async def run(cls, arguments: Sequence[str], folder: Path, seconds: float) -> "_Lampwork":
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = await asyncio.create_subprocess_exec(
            str(BIN / "lampwork"),
            *arguments,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1_000_000,
        )
        ended = cls()
        try:
            async with asyncio.timeout(seconds):
                await ended._listen(process)
        except TimeoutError:
            ended.late = True
        ended.status = await _stopped(process)
        return ended

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.lines.append(line.decode(errors="replace").rstrip())
            if UP in self.lines[-1]:
                self.is_up = True
                return
        await process.wait()


async def _stopped(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.communicate()  # reads on, so that a full pipe does not hold it up
        except TimeoutError:
            process.kill()
    return await process.wait()


def _kind(line: str) -> str:
    """Template, line and id are left out: `AWS::Cognito::UserPool`, with the reason if any."""
    rest = line.removeprefix(NOT_EMULATED).partition(": ")[2]
    return re.sub(r"^\S+ \((.*?)\)(?=: |$)", r"\1", rest) or rest


def _is_a_problem(line: str) -> bool:
    """Whether a line of the start says that a function or a resource is not as it should be."""
    return any(each in line for each in PROBLEMS)


def report(outcomes: Sequence[Outcome], folder: Path, *, starts: bool) -> Iterator[str]:
    """The figures, then what was named and what failed, the most frequent first."""
    read = [each for each in outcomes if each.read]
    silent = [each for each in read if not each.named]
    yield f"{len(outcomes)} templates below {folder}"
    yield f"  read     {len(read)}, {len(silent)} of them wholly emulated"
    if starts:
        yield f"  started  {sum(each.started for each in outcomes)}"
    yield f"  failed   {sum(bool(each.reason) for each in outcomes)}"
    yield from _groups("Failed to be read", _reasons(each for each in outcomes if not each.read))
    yield from _groups("Failed to start", _reasons(read))
    yield from _groups("Named: not emulated", ((n, each) for each in read for n in set(each.named)))
    yield from _groups(
        "Functions with a problem", ((n, each) for each in outcomes for n in each.problems)
    )


def _reasons(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, Outcome]]:
    return ((each.reason, each) for each in outcomes if each.reason)


def _groups(title: str, found: Iterable[tuple[str, Outcome]]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    for text, outcome in found:
        group = in_general(text)
        counts[group] += 1
        seen = examples.setdefault(group, [])
        if len(seen) < EXAMPLES:
            seen.append(f"{outcome.template}: {text}" if group != text else f"{outcome.template}")
    if counts:
        yield f"\n{title}"
    for group, count in counts.most_common():
        yield f"{count:5}  {group}"
        yield from (f"         {each}" for each in examples[group])


def in_general(text: str) -> str:
    """A message without what is particular to one template: names, paths and numbers."""
    for pattern, general in PARTICULAR:
        text = pattern.sub(general, text)
    return text
