"""Runs in a function's process: what it looks like from inside, right after its imports.

It imports nothing that such a process does not have.
"""

import atexit
import builtins
import gc
import logging
import os
import resource
import signal
import sys
import threading
import warnings
from typing import Any

# Each process has values of its own for these.
PER_PROCESS = ("AWS_LAMBDA_LOG_STREAM_NAME", "TMPDIR", "_X_AMZN_TRACE_ID")
SIMPLE = (bool, bytes, float, int, str, type(None))


def snapshot() -> dict[str, Any]:
    """Everything that is compared, by a name each, as JSON can hold it."""
    seen: dict[str, Any] = {f"module {name}": _module(sys.modules[name]) for name in sys.modules}
    seen["variables"] = {k: v for k, v in os.environ.items() if k not in PER_PROCESS}
    seen["threads"] = [len(os.listdir("/proc/self/task")), [t.name for t in threading.enumerate()]]
    seen["files"] = sorted(map(_file, os.listdir("/proc/self/fd")))
    seen["working folder"] = os.getcwd()
    seen["signals"] = [str(signal.getsignal(number)) for number in signal.valid_signals()]
    seen["limits"] = resource.getrlimit(resource.RLIMIT_NOFILE)
    seen["warnings"] = [str(each) for each in warnings.filters]
    seen["loggers"] = {name: _logger(each) for name, each in _loggers().items()}
    seen["collection"] = [gc.isenabled(), gc.get_threshold()]
    seen["exit handlers"] = atexit._ncallbacks()
    seen["built-in"] = {name: type(value).__name__ for name, value in vars(builtins).items()}
    seen["sys"] = {
        "path": sys.path,
        "argv": sys.argv,
        "meta_path": [_type(each) for each in sys.meta_path],
        "path_hooks": len(sys.path_hooks),
        "stdout": [_type(sys.stdout), sys.stdout.isatty(), sys.stderr.isatty()],
        "hooks": [_type(sys.excepthook), _type(sys.unraisablehook), _type(sys.displayhook)],
        "flags": repr(sys.flags),
        "recursion": sys.getrecursionlimit(),
    }
    return seen


def _module(module: Any) -> dict[str, Any]:
    found = {}
    for name, value in list(getattr(module, "__dict__", {}).items()):
        if name == "__path__":
            found[name] = repr(list(value))
        elif type(value) in SIMPLE or (
            type(value) is tuple and all(type(each) in SIMPLE for each in value)
        ):
            found[name] = repr(value)[:1000]
        else:
            found[name] = _type(value)
    return found


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _loggers() -> dict[str, Any]:
    return {"": logging.root, **logging.root.manager.loggerDict}


def _logger(logger: Any) -> list[Any]:
    handlers = [_type(each) for each in getattr(logger, "handlers", [])]
    return [_type(logger), getattr(logger, "level", None), handlers]


def _file(number: str) -> str:
    """What is open, without what differs from pipe to pipe."""
    try:
        return os.readlink(f"/proc/self/fd/{number}").split("[")[0]
    except OSError:  # the listing's own
        return ""
