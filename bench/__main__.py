"""`make bench`: figures that are measured side by side in one run, and their ratios.

`make bench ONLY="NAME …"` measures some of them; docs/performance.md says what each is.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from importlib import import_module
from itertools import takewhile

from bench.report import Goal, show, show_goals

# Each is a module that is loaded when it is run. It has `main(arguments)`, or else `measure()`,
# which returns goals or rows.
MEASURES = (
    "emulator",
    "cold-start",
    "imports",
    "application",
    "stream",
    "watchers",
    "throughput",
    "queue",
    "remote",
    "load",
    "saves",
    "idle",
)
# They are asked for by name alone, with arguments of their own.
TOOLS = ("scale", "strangers")


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in TOOLS:
        return _run(arguments[0], arguments[1:])
    names = list(takewhile(lambda each: not each.startswith("-"), arguments))
    options = arguments[len(names) :]
    if options in (["-h"], ["--help"]) and not names:
        print(__doc__, f"\nNAME is one of: {', '.join([*MEASURES, *TOOLS])}", sep="")
        return 0
    if unknown := set(names) - set(MEASURES):
        sys.exit(f"no such measure: {', '.join(sorted(unknown))}")
    if options and len(names) != 1:
        sys.exit(f"{' '.join(options)}: name the one measure that these options are for")
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_machine()}", flush=True)
    return max([_run(name, options) for name in names or MEASURES])


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}"


def _run(name: str, options: list[str]) -> int:
    measure = import_module(f"bench.{name.replace('-', '_')}")
    if hasattr(measure, "main"):
        status: int = measure.main(options)
        return status
    if options:
        sys.exit(f"{name} takes no options")
    figures, title = asyncio.run(measure.measure()), (measure.__doc__ or name).strip()
    if isinstance(figures[0], Goal):
        show_goals(title, figures)
    else:
        show(title, figures)
    return 0


if __name__ == "__main__":
    # Whoever ends the bench ends the servers that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
