"""`make bench`: figures measured side by side in one run, with their ratios."""

import argparse
import asyncio
import os
import sys
from types import ModuleType

from bench import cold_start, http, stream, throughput, watchers
from bench.report import show

MEASURES: dict[str, ModuleType] = {
    "http": http,
    "cold-start": cold_start,
    "stream": stream,
    "watchers": watchers,
    "throughput": throughput,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    names = parser.parse_args().names or list(MEASURES)
    if unknown := set(names) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for name in names:
        measure = MEASURES[name]
        rows = asyncio.run(measure.measure())
        show((measure.__doc__ or name).strip(), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
