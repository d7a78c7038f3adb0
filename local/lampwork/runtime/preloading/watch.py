"""Watches what imports do, in the very process that is to be forked, and leaves no trace there.

A package is loaded before forking only if a fork cannot be told from a process that imports it
itself. So each import is watched for all that a fork would not have as that process has it:
variables that are read, threads, open files, output, and what else is below.
"""

import atexit
import builtins
import gc
import io
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

from lampwork.runtime.launching.aside import Aside
from lampwork.runtime.preloading.own_names import EVERY_DISTRIBUTION, distribution
from lampwork.runtime.user_code import is_installed

EVERYTHING = "*"
# Listed among the variables that are read.
WORKING_FOLDER = "the working folder"
# Enough that no collection begins while packages load; a package that sets it is noticed.
GC_THRESHOLD = 1_000_000
SUPPORTING: tuple[set[Any], ...] = (
    *(os.supports_dir_fd, os.supports_fd),
    *(os.supports_follow_symlinks, os.supports_effective_ids),
)
WRITING = os.O_WRONLY | os.O_RDWR
# These take random numbers to name things that no other process ever sees, or every fork takes
# them anew.
HARMLESS_RANDOM = frozenset({"multiprocessing.process", "opentelemetry.context"})


class Watch:
    """The watch over some imports, which are to be the same for all functions that get them.

    `environment` holds the variables that a function's process would have, and `root` is where
    it would run. Those that are `volatile` have another value in the next process, so an import
    that reads one is not the same for all. A function itself brings modules of the names `own`.
    Further packages lie in the folder `packages`. What they print comes out at the pipe `output`;
    what is loaded aside is kept by `aside`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        root: str,
        volatile: Iterable[str],
        own: Iterable[str],
        packages: str | None,
        output: int,
        aside: Aside,
    ) -> None:
        self.reads: set[str] = set()
        self.looked_up: set[str] = set()
        self._avoided: frozenset[str] = frozenset()
        self.unclean = ""  # why the import under way cannot be shared
        self.is_only_here = False  # whether that concerns this function alone
        self.has_taken_aside = False
        self._environment = environment
        self._root = root
        self._volatile = frozenset(volatile)
        self._own = frozenset(own)
        self._packages = (f"{packages}/",) if packages else ()
        self._output = output
        self._aside = aside
        self._wrapped: dict[int, tuple[Any, Callable[..., Any]]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Be on watch, in surroundings like those in which the function itself would import."""
        os.environ.clear()
        os.environ.update(self._environment)
        time.tzset()
        if os.path.isdir(self._root):
            os.chdir(self._root)
        former = sys.argv
        sys.argv = _RecordedList(["awslambdaric", self._environment.get("_HANDLER", "")], self)
        variables = _RecordedVariables(os.environ._data, self)  # type: ignore[attr-defined]
        _set_variables(variables)
        sys.meta_path.insert(0, self)
        thresholds = gc.get_threshold()
        gc.set_threshold(GC_THRESHOLD)
        gc.enable()
        start, connect = threading.Thread.start, socket.socket.connect
        threading.Thread.start = self._told(start, "starts a thread")  # type: ignore[method-assign]
        socket.socket.connect = self._told(connect, "connects")  # type: ignore[method-assign]
        replaced = list(self._replace())
        try:
            yield
        finally:
            for where, name, real in replaced:
                for supporting in SUPPORTING:
                    supporting.discard(getattr(where, name))
                setattr(where, name, real)
            threading.Thread.start = start  # type: ignore[method-assign]
            del socket.socket.connect
            gc.disable()
            gc.set_threshold(*thresholds)
            sys.meta_path.remove(self)
            _set_variables(dict(dict.items(variables)))
            sys.argv = former

    def run(self, act: Callable[[], None], aside: str = "", avoided: Iterable[str] = ()) -> str:
        """Do an import; take what it loads `aside`, if that names its module.

        Modules of the names `avoided` the function itself loads first. `looked_up` then has the
        names of what was looked for. Returns why it cannot be shared, or "".
        """
        self.unclean, self.is_only_here = "", False
        self.looked_up, self._avoided = set(), frozenset(avoided)
        reads, self.reads = self.reads, set()
        known = set(sys.modules)
        before, began = {**_state(), **(_traces() if aside else {})}, _now()
        try:
            act()
        except BaseException as error:  # a package may raise anything; the function tells of it
            self.spoil(f"cannot be imported ({error!r})", only_here=True)
            return self.unclean
        new = [name for name in sys.modules if name not in known]
        modules = [sys.modules[name] for name in new]
        self._put_back(modules)
        if self.unclean:
            return self.unclean
        after = {**_state(), **(_traces() if aside else {})}
        changed = [name for name, value in before.items() if after[name] != value]
        if changed:
            return changed[0]
        if _has_printed(self._output):
            return "prints"
        if aside in new:
            self._aside.keep(aside, new, self.reads)
            self.has_taken_aside = True
            self.reads = reads
        else:
            self.reads |= reads
        return _moment_kept(modules, began, _now())

    def spoil(self, reason: str, *, only_here: bool = False) -> None:
        if not self.unclean:
            self.unclean, self.is_only_here = reason, only_here

    def read(self, variable: str) -> None:
        self.reads.add(variable)
        if variable == EVERYTHING or variable in self._volatile:
            self.spoil(f"reads {variable}", only_here=True)

    # Finder: https://docs.python.org/3/library/importlib.html#importlib.abc.MetaPathFinder

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """What the other finders find, unless it is not to be loaded before forking."""
        top = name.partition(".")[0]
        self.looked_up.add(top)
        if top in self._avoided:
            self.spoil(f"loads {top} after what is not loaded before forking", only_here=True)
            raise ImportError(self.unclean, name=name)
        if top in self._own:
            self.spoil(f"the function has {top} itself", only_here=True)
            raise ImportError(self.unclean, name=name)
        if top == "pkg_resources":  # it lists all folders that Python searches
            self.find_distributions(None)
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                if self._is_installed(spec.origin):
                    return spec
                self.spoil(f"{spec.origin} belongs to a project")
                raise ImportError(self.unclean, name=name)
        return None

    def find_distributions(self, context: Any) -> list[Any]:
        """Note whose version or entry points are asked for."""
        name = getattr(context, "name", None)
        asked = distribution(name) if name else EVERY_DISTRIBUTION
        self.looked_up.add(asked)
        if asked in self._own:
            self.spoil(f"the function has {name or 'packages'} itself", only_here=True)
        return []

    def invalidate_caches(self) -> None:
        pass

    def _is_installed(self, origin: str | None) -> bool:
        if origin is None or not os.path.isabs(origin):  # built in, or a namespace
            return True
        return is_installed(origin) or origin.startswith(self._packages)

    # Functions that are replaced while on watch

    def _replace(self) -> Iterator[tuple[Any, str, Any]]:
        urandom = self._random(os.urandom)
        generator = sys.modules.get("random")  # which a plain process has not loaded
        for where, name, wrapper in (
            *([(generator, "_urandom", urandom)] if generator else []),
            (os, "getcwd", self._working_folder(os.getcwd)),
            (os, "getcwdb", self._working_folder(os.getcwdb)),
            (os, "urandom", urandom),
            (os, "mkdir", self._told(os.mkdir, "makes a folder")),
            (os, "stat", self._of_path(os.stat)),
            (os, "listdir", self._of_path(os.listdir)),
            (os, "scandir", self._of_path(os.scandir)),
            (os, "open", self._opening(os.open)),
            (io, "open", self._opening(io.open)),
            (builtins, "open", self._opening(builtins.open)),
        ):
            real = getattr(where, name)
            self._wrapped[id(wrapper)] = (wrapper, real)
            setattr(where, name, wrapper)
            # Modules ask whether these hold the functions of `os`, as `shutil` does.
            for supporting in SUPPORTING:
                if real in supporting:
                    supporting.add(wrapper)
            yield where, name, real

    def _told(self, real: Callable[..., Any], reason: str) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.spoil(reason)
            return real(*arguments, **named)

        return watched

    def _working_folder(self, real: Callable[[], Any]) -> Callable[[], Any]:
        def working_folder() -> Any:
            self.read(WORKING_FOLDER)
            if os.readlink("/proc/self/cwd") != self._root:
                self.spoil("depends on the working folder")
            return real()

        return working_folder

    def _random(self, real: Callable[[int], bytes]) -> Callable[[int], bytes]:
        def urandom(count: int) -> bytes:
            if not HARMLESS_RANDOM & set(_callers()):
                self.spoil("takes random numbers")
            return real(count)

        return urandom

    def _of_path(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Any = ".", *arguments: Any, **named: Any) -> Any:
            self._note_path(path)
            return real(path, *arguments, **named)

        return watched

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Any, mode: Any = "r", *arguments: Any, **named: Any) -> Any:
            self._note_path(path)
            writes = mode & WRITING if isinstance(mode, int) else set(mode) & set("wax+")
            if writes and path != os.devnull:
                self.spoil("writes a file")
            return real(path, mode, *arguments, **named)

        return watched

    def _note_path(self, path: Any) -> None:
        if not isinstance(path, int) and not os.path.isabs(path):
            self.spoil("depends on the working folder")

    def _put_back(self, modules: Iterable[ModuleType]) -> None:
        """Give modules that took a replaced function the real one."""
        for module in modules:
            for name, value in list(getattr(module, "__dict__", {}).items()):
                found = self._wrapped.get(id(value))
                if found is not None and found[0] is value:
                    setattr(module, name, found[1])


class _RecordedVariables(dict[bytes, bytes]):
    """The variables of `os.environ`, which tells which of them are read."""

    def __init__(self, variables: Mapping[bytes, bytes], watch: Watch) -> None:
        super().__init__(variables)
        self._watch = watch

    def __getitem__(self, name: bytes) -> bytes:
        self._watch.read(os.fsdecode(name))
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, bytes):
            self._watch.read(os.fsdecode(name))
        return super().__contains__(name)

    def get(self, name: bytes, default: Any = None) -> Any:
        self._watch.read(os.fsdecode(name))
        return super().get(name, default)

    def __iter__(self) -> Iterator[bytes]:
        self._watch.read(EVERYTHING)
        return super().__iter__()

    def __len__(self) -> int:
        self._watch.read(EVERYTHING)
        return super().__len__()

    def __setitem__(self, name: bytes, value: bytes) -> None:
        self._watch.spoil(f"sets {os.fsdecode(name)}")
        super().__setitem__(name, value)

    def __delitem__(self, name: bytes) -> None:
        self._watch.spoil(f"removes {os.fsdecode(name)}")
        super().__delitem__(name)


class _RecordedList(list[str]):
    """`sys.argv`, which tells that it is read."""

    def __init__(self, words: Iterable[str], watch: Watch) -> None:
        super().__init__(words)
        self._watch = watch

    def __getitem__(self, index: Any) -> Any:
        self._watch.spoil("reads sys.argv", only_here=True)
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[str]:
        self._watch.spoil("reads sys.argv", only_here=True)
        return super().__iter__()

    def __len__(self) -> int:
        self._watch.spoil("reads sys.argv", only_here=True)
        return super().__len__()


def _set_variables(variables: dict[bytes, bytes]) -> None:
    os.environ._data = variables  # type: ignore[attr-defined]
    os.environb._data = variables  # type: ignore[attr-defined]


def _state() -> dict[str, Any]:
    """What an import must leave as it was, by what would be wrong with an import that did not."""
    root = logging.root
    return {
        "sets up logging": (root.level, list(root.handlers), root.manager.disable),
        "starts a thread": _count("/proc/self/task"),
        "leaves a file open": _files(),
        "starts a process": resource.getrusage(resource.RUSAGE_CHILDREN)[:3],
        "keeps sys.stdout": (id(sys.stdout), sys.getrefcount(sys.stdout)),
        "keeps sys.stderr": (id(sys.stderr), sys.getrefcount(sys.stderr)),
        "keeps sys.argv": (id(sys.argv), sys.getrefcount(sys.argv)),
        "changes sys.path": list(sys.path),
        "changes sys.path_hooks": list(sys.path_hooks),
        "replaces an import hook": [id(finder) for finder in sys.meta_path[:2]],
        "replaces a hook of sys": [id(hook) for hook in (sys.excepthook, sys.unraisablehook)],
        "replaces a built-in function": {name: id(each) for name, each in vars(builtins).items()},
        "handles a signal": [signal.getsignal(number) for number in signal.valid_signals()],
        "changes the working folder": os.readlink("/proc/self/cwd"),
        "sets up garbage collection": (gc.isenabled(), gc.get_threshold()),
    }


def _traces() -> dict[str, Any]:
    """What shows that something was loaded, though no module is to be seen."""
    return {
        "registers loggers": set(logging.root.manager.loggerDict),
        "registers warnings": len(warnings.filters),
        "registers an exit handler": atexit._ncallbacks(),
        "registers an import hook": len(sys.meta_path),
    }


def _count(folder: str) -> int:
    return len(os.listdir(folder))


def _files() -> list[str]:
    return os.listdir("/proc/self/fd")


def _has_printed(output: int) -> bool:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    try:
        return bool(os.read(output, 1 << 16))
    except BlockingIOError:
        return False


def _now() -> tuple[float, float, float]:
    return time.time(), time.monotonic(), time.perf_counter()


def _moment_kept(
    modules: Iterable[ModuleType], began: tuple[float, ...], ended: tuple[float, ...]
) -> str:
    """Why a fork of this moment differs from one of another: a time or an id that was kept."""
    spans = tuple(zip(began, ended, strict=True))
    pid = os.getpid()
    for module in modules:
        if _is_standard(str(getattr(module, "__name__", ""))):
            continue
        for value in _kept_by(module):
            kind = type(value)  # not `isinstance`, which a proxy may answer by loading something
            if kind is float and any(first <= value <= last for first, last in spans):
                return f"keeps the time (in {module.__name__})"
            if kind is int and value == pid:
                return f"keeps the process's id (in {module.__name__})"
            if kind.__name__ == "Random" and kind.__module__ == "random":
                return f"keeps random numbers (in {module.__name__})"
    return ""


def _kept_by(module: ModuleType) -> Iterator[Any]:
    for value in list(getattr(module, "__dict__", {}).values()):
        yield value
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from list(vars(value).values())
        elif type(value).__module__ == module.__name__:
            yield from list(getattr(value, "__dict__", {}).values())


def _callers() -> Iterator[str]:
    """The modules that are running, from the innermost to the first that is not Python's own."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        yield name
        if not _is_standard(name):
            return
        frame = frame.f_back


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
