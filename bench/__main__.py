"""`make bench`: figures that are measured side by side in one run, and their ratios."""

import argparse
import asyncio
import os
import sys
from types import ModuleType

from bench import cold_start, emulator, scale, strangers, stream, throughput, watchers
from bench.report import show, show_goals

MEASURES: dict[str, ModuleType] = {
    "cold-start": cold_start,
    "stream": stream,
    "watchers": watchers,
    "throughput": throughput,
}


def main() -> int:
    if sys.argv[1:2] == ["strangers"]:
        return strangers.main(sys.argv[2:])
    if sys.argv[1:2] == ["scale"]:
        return scale.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(["emulator", *MEASURES]))
    names = parser.parse_args().names or ["emulator", *MEASURES]
    if unknown := set(names) - {"emulator", *MEASURES}:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for name in names:
        if name == "emulator":
            show_goals((emulator.__doc__ or name).strip(), asyncio.run(emulator.measure()))
            continue
        measure = MEASURES[name]
        rows = asyncio.run(measure.measure())
        show((measure.__doc__ or name).strip(), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
