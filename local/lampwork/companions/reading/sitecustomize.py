"""Tells which files a Python process opens. Python imports it before the process's own code, since
its folder is the first of PYTHONPATH; so it imports nothing of the emulator.

The process writes each path once, as a line, to the file that LAMPWORK_FILES_READ names; so do the
processes that it starts. https://docs.python.org/3/library/site.html#module-sitecustomize
"""

import os
import sys
from importlib import import_module

VARIABLE = "LAMPWORK_FILES_READ"
MOST = 20_000
WRITES = os.O_WRONLY | os.O_RDWR


def tell_of_files(told: str) -> None:
    """Append to this file what is opened from now on, for the life of the process."""
    descriptor = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    seen: set[object] = set()
    packages = tuple(f"{prefix}{os.sep}" for prefix in {sys.prefix, sys.base_prefix})

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open":
            return
        path, _, flags = arguments
        if not isinstance(path, str) or path in seen or len(seen) > MOST:
            return
        if isinstance(flags, int) and flags & WRITES:
            return
        seen.add(path)
        name = os.path.abspath(path)
        if not name.startswith(packages):
            os.write(descriptor, f"{source_of(name)}\n".encode(errors="surrogateescape"))

    sys.addaudithook(hear)


def source_of(path: str) -> str:
    """Python opens a module's compiled form; what somebody edits is its source."""
    folder, name = os.path.split(path)
    if not name.endswith(".pyc"):
        return os.path.realpath(path)
    if sys.pycache_prefix:
        folder = f"{os.sep}{os.path.relpath(folder, sys.pycache_prefix)}"
    elif os.path.basename(folder) == "__pycache__":
        folder = os.path.dirname(folder)
    return os.path.realpath(os.path.join(folder, f"{name.partition('.')[0]}.py"))


def import_next() -> None:
    """Let this environment's own `sitecustomize` run too, if it has one."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]
    this = sys.modules.pop("sitecustomize")
    try:
        import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this


if __name__ == "sitecustomize":
    if VARIABLE in os.environ:
        tell_of_files(os.environ[VARIABLE])
    import_next()
