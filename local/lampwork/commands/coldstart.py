"""Prints what cold starts take and why, for people and for programs."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from lampwork.app.alone.cold_starts import MOST_MEGABYTES, Report, measure
from lampwork.app.packages.package_sizes import MOST_BYTES
from lampwork.app.signals import run_until_signalled
from lampwork.commands.invoke import INTERRUPTED, payload_of
from lampwork.commands.options import opened_log, options_of, variable_options
from lampwork.errors import ConfigurationError
from lampwork.runtime.cold_start.import_trace import Import
from lampwork.runtime.cold_start.measuring import Span
from lampwork.runtime.execution.memory import MEBIBYTE
from lampwork.runtime.world.places import editors_path
from lampwork.stack.model import Function

DURATION: Final = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s)?")
FEW: Final = 3  # of which the trees are printed without being asked for
SHOWN_SHARE: Final = 0.02  # of the time of all imports, at which an import is shown
MOST_DEPTH: Final = 6
# What is of no use to somebody who looks for a module: where Python keeps it.
PACKAGES: Final = re.compile(r".*/(?:site|dist)-packages/|.*/lib/python3\.\d+/")


def _milliseconds(
    context: click.Context, option: click.Parameter, text: str | None
) -> float | None:
    """A duration such as 400ms or 0.4s; a number alone is milliseconds."""
    if text is None:
        return None
    found = DURATION.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{text!r} is no duration such as 400ms or 1.5s.")
    return float(found[1]) * (1000 if found[2] == "s" else 1)


@click.command()
@click.argument("functions", nargs=-1, metavar="[NAME]...")
@click.option(
    "--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Starts of each."
)
@click.option(
    *("-e", "--event"),
    type=click.File("rb"),
    help="The first request's event, a JSON file; without one, it is made from a route or trigger.",
)
@click.option(
    "--budget",
    callback=_milliseconds,
    metavar="DURATION",
    help="Exit with 1 if the median init of a function takes longer, such as 400ms.",
)
@click.option("--imports", "trees", is_flag=True, help="Print the imports of many functions, too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
@variable_options
def coldstart(
    functions: tuple[str, ...],
    runs: int,
    event: Any,
    budget: float | None,
    trees: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure how functions start from nothing, as on Lambda.

    Each start is a process of its own, which loads the function (init) and serves one request. What
    is printed are medians, the heaviest imports with the lines that ask for them, the memory, and
    the size of the bundle. Without a NAME, all functions are measured.
    """
    options = options_of(cold=True, freeze=False, debug=None, debug_port=None, **given)
    log = opened_log(sys.stderr, None)
    payload = payload_of(event) if event else None
    work = measure(options, log, functions, runs, event=payload, progress=_progress)
    reports = run_until_signalled(work)
    _progress("")
    if reports is None:
        sys.exit(INTERRUPTED)
    if not reports:
        raise ConfigurationError("The template has no function that Lampwork runs.")
    root = options.read_config().template.parent
    if as_json:
        click.echo(json.dumps([_object(each, root) for each in reports], indent=2))
    else:
        for line in _lines(reports, root, trees=trees):
            click.echo(line)
    over = [each for each in reports if budget is not None and _ms(each.init.seconds) > budget]
    for each in over:
        took = _ms(each.init.seconds)
        click.echo(f"{each.function.logical_id}: init {took:.0f} ms, of {budget:g} ms.", err=True)
    sys.exit(1 if over else 0)


def _progress(text: str) -> None:
    """Say on one line of a terminal what is being done."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", err=True, nl=False)


# --- For people -----------------------------------------------------------------------------------


def _lines(reports: Sequence[Report], root: Path, *, trees: bool) -> Iterator[str]:
    yield f"Medians of {reports[0].runs} starts, in ms; in brackets, ms of processor time."
    yield ""
    head = ["function", "init", "first request", "memory", "smallest size", "bundle"]
    yield from _table([head, *map(_row, reports)])
    yield from _grouped_remarks(reports)
    if trees or len(reports) <= FEW:
        for each in reports:
            yield from _trees(each, root)
    else:
        yield ""
        yield "Name a function to see what it imports, or add --imports."


def _row(report: Report) -> list[str]:
    bundle = sum(report.sizes.values()) + report.loaded_packages
    return [
        report.function.logical_id,
        _span(report.init),
        _span(report.first) if report.first else "-",
        f"{report.memory / MEBIBYTE:.0f} MB",
        f"{report.smallest_memory} MB",
        f"{bundle / MEBIBYTE:.1f} MB",
    ]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])


def _grouped_remarks(reports: Sequence[Report]) -> Iterator[str]:
    """Each remark once, after the names of the functions that it is about."""
    about: dict[str, list[str]] = {}
    for each in reports:
        for remark in _remarks(each):
            about.setdefault(remark, []).append(each.function.logical_id)
    if about:
        yield ""
    for remark, names in about.items():
        yield f"{', '.join(names) if len(names) <= FEW else f'{len(names)} functions'}: {remark}"


def _remarks(report: Report) -> Iterator[str]:
    """What the numbers of a function mean for Lambda's limits, where that is worth a line."""
    function = report.function
    if report.problem:
        yield f"the {'first request' if report.first else 'init'} failed: {report.problem}"
        if report.first:
            yield "if the event is at fault, give one that it understands with --event"
    if report.smallest_memory > function.memory_mb:
        yield f"its MemorySize of {function.memory_mb} MB is too small"
    if report.smallest_memory > MOST_MEGABYTES:
        yield f"Lambda gives {MOST_MEGABYTES:,} MB at most"
    if report.loaded_packages:
        yield "packages in Lampwork's own environment are counted; deploy them with it"
    size = sum(report.sizes.values()) + report.loaded_packages
    if size > MOST_BYTES and not function.is_image:
        yield "the bundle is larger than the 250 MB that Lambda takes, unzipped"
    if function.build_method == "makefile":
        yield (
            "a makefile decides what is in the bundle: `sam build`, and measure it with"
            " --template .aws-sam/build/template.yaml"
        )


def _trees(report: Report, root: Path) -> Iterator[str]:
    for when, imports in (("init", report.imports), ("first request", report.late_imports)):
        whole = sum(each.seconds for each in imports)
        if not imports:
            continue
        yield ""
        yield f"{report.function.logical_id}: imports of the {when}, ms of processor time"
        for each in sorted(imports, key=lambda node: -node.seconds):
            yield from _tree(each, whole * SHOWN_SHARE, 0, report.function, root)


def _tree(node: Import, least: float, depth: int, function: Function, root: Path) -> Iterator[str]:
    if node.seconds < least or depth > MOST_DEPTH:
        return
    name = f"{'  ' * depth}{node.module}"
    yield f"  {_ms(node.seconds):7.1f}  {name:<48}  {_asked_by(node, function, root)}".rstrip()
    for each in sorted(node.children, key=lambda child: -child.seconds):
        yield from _tree(each, least, depth + 1, function, root)


def _asked_by(node: Import, function: Function, root: Path) -> str:
    """The line that asks for the module, by a path as short as it is clear."""
    path = editors_path(node.by, function)
    if Path(path).is_relative_to(root) and not PACKAGES.match(path):
        return f"{Path(path).relative_to(root)}:{node.line}"
    return f"{PACKAGES.sub('', path)}:{node.line}"


def _span(span: Span) -> str:
    return f"{_ms(span.seconds):.0f} ({_ms(span.processor):.0f})"


def _ms(seconds: float) -> float:
    return seconds * 1000


# --- For programs ---------------------------------------------------------------------------------


def _object(report: Report, root: Path) -> dict[str, Any]:
    function = report.function
    return {
        "function": function.logical_id,
        "runs": report.runs,
        "init_ms": round(_ms(report.init.seconds), 1),
        "init_processor_ms": round(_ms(report.init.processor), 1),
        "first_request_ms": report.first and round(_ms(report.first.seconds), 1),
        "first_request_processor_ms": report.first and round(_ms(report.first.processor), 1),
        "problem": report.problem or None,
        "memory_bytes": report.memory,
        "smallest_memory_mb": report.smallest_memory,
        "memory_size_mb": function.memory_mb,
        "bundle_bytes": {**report.sizes, "loaded_packages": report.loaded_packages},
        "bundle_limit_bytes": None if function.is_image else MOST_BYTES,
        "imports": [_node(each, function, root) for each in report.imports],
        "first_request_imports": [_node(each, function, root) for each in report.late_imports],
    }


def _node(node: Import, function: Function, root: Path) -> dict[str, Any]:
    return {
        "module": node.module,
        "processor_ms": round(_ms(node.seconds), 2),
        "asked_by": _asked_by(node, function, root),
        "imports": [_node(each, function, root) for each in node.children],
    }
