"""The program that runs in every process of functions, fresh or forked.

Where Lampwork is not installed, it is run by its path in a folder of links: see
`lampwork.interpreters.importable`.
"""

import sys
from os.path import dirname

if __name__ == "__main__" and __spec__ is None:
    place = dirname(dirname(dirname(dirname(__file__))))
    sys.path.insert(0, place)
    sys.path.append(f"{dirname(dirname(place))}/rest/site-packages")

import json
import os
from typing import Any

from lampwork.runtime.launching import process
from lampwork.runtime.world import mounts

PYTHONPATH_FOR_LATER = "LAMPWORK_PYTHONPATH"


def main() -> None:
    """Serve forks of functions, or run one with what the last argument says in JSON."""
    parent, connection, *words = sys.argv[1:]
    process.die_with_parent(int(parent))
    if words == ["fork-server"]:
        from lampwork.runtime.forking import fork_server

        # It returns only in a forked child, in which no module may show what has forked it.
        process.run(**fork_server.serve(int(connection)))
    else:
        _run(int(connection), **json.loads(words[-1]))


def _run(channel: int, **arguments: Any) -> None:
    if arguments["world"]:
        mounts.enter_namespace()
    # Python itself must not have read it: a relative path in it is below the function's folder.
    if (python_path := os.environ.pop(PYTHONPATH_FOR_LATER, None)) is not None:
        os.environ["PYTHONPATH"] = python_path
    process.run(channel, **arguments)


if __name__ == "__main__":
    main()
