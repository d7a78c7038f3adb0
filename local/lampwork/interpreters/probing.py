"""Asks a Python what it is."""

import json
import os
import subprocess
from typing import Any, Final

from lampwork.interpreters.python import Python

PROBE_SECONDS: Final = 20
# What a Python tells of itself. It may be an old one, so this is written as Python 3.6 reads it.
PROBE: Final = """
import json, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "prefix": sys.prefix,
    "base": [sys.base_prefix, getattr(sys, "_base_executable", sys.executable)],
    "library": [paths["stdlib"], paths["platstdlib"]],
    "search_path": [path for path in sys.path if path],
}))
"""


def probe(path: str) -> Python | None:
    """What a Python says of itself; None if it cannot be run."""
    # Neither this process's variables nor its folder may change where it looks for modules.
    environment = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    try:
        said = subprocess.run(
            [path, "-c", PROBE],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        return _python(path, json.loads(said.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _python(path: str, told: dict[str, Any]) -> Python:
    search_path, library = told["search_path"], {os.path.realpath(each) for each in told["library"]}
    major, minor, micro = told["version"]
    prefix, (base_prefix, base) = told["prefix"], told["base"]
    return Python(
        path=path,
        version=(major, minor, micro),
        prefix=prefix,
        search_path=tuple(search_path),
        packages=tuple(each for each in search_path if not _is_library(each, library)),
        folders=(path, os.path.realpath(path), prefix, base_prefix, *search_path),
        base=base,
    )


def _is_library(folder: str, library: set[str]) -> bool:
    """Whether a folder holds Python's own modules: in a file of them, in `lib-dynload` too."""
    real = os.path.realpath(folder)
    inner = os.path.basename(real) == "lib-dynload" and os.path.dirname(real) in library
    return inner or real in library or folder.endswith(".zip")
