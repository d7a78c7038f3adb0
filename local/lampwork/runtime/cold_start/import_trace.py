"""What a function's process imports, which line asks for it, and how long it takes.

It runs in the process itself, and only in one that `lampwork coldstart` starts for it.
"""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any, Final, Self

_OF_IMPORTLIB: Final = ("<frozen importlib", importlib.__file__)


@dataclass(slots=True)
class Import:
    """A module that was loaded from `file`. Line `line` of the module `by` asked for it.

    `seconds` of processor time were spent on it and on what it imports, the `children`.
    """

    module: str
    file: str
    by: str
    line: int
    seconds: float = 0.0
    children: list["Import"] = field(default_factory=list)

    @classmethod
    def from_json(cls, written: bytes) -> Self:
        return cls._of(json.loads(written))

    @classmethod
    def _of(cls, parts: list[Any]) -> Self:
        module, file, by, line, seconds, children = parts
        return cls(module, file, by, line, seconds, [cls._of(each) for each in children])

    def to_json(self) -> bytes:
        return json.dumps(self._parts()).encode()

    def _parts(self) -> list[Any]:
        own = [self.module, self.file, self.by, self.line, self.seconds]
        return [*own, [each._parts() for each in self.children]]


class ImportTrace:
    """A finder, first on `sys.meta_path`, that finds nothing itself but times who does.

    `tell` gets each import that no other one has caused, once it is over. Modules that are built
    into Python or frozen in it are left out: they are there at once.
    """

    def __init__(self, tell: Callable[[Import], None]) -> None:
        self._tell = tell
        self._thread = threading.local()

    def start(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        began = time.process_time()
        by, line = _asker(sys._getframe(1))
        spec = self._found_by_others(name, path, target)
        loader = spec.loader if spec else None
        if spec is None or loader is None or isinstance(loader, type):
            return spec
        node = Import(name, spec.origin or "", by, line)
        self._time(loader, node, began)
        return spec

    def invalidate_caches(self) -> None:
        pass

    def _found_by_others(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            if find is not None and (spec := find(name, path, target)) is not None:
                return spec  # type: ignore[no-any-return]
        return None

    def _time(self, loader: Any, node: Import, began: float) -> None:
        """Have the loader's next module counted, by an attribute of the loader that goes again
        before the module's code runs: the module finds its loader as it is."""
        execute = getattr(loader, "exec_module", None)
        if execute is None or not hasattr(loader, "__dict__"):
            return

        def timed(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            under_way = self._under_way()
            under_way.append(node)
            try:
                execute(module)
            finally:
                node.seconds = time.process_time() - began
                under_way.pop()
                if under_way:
                    under_way[-1].children.append(node)
                else:
                    self._tell(node)

        loader.exec_module = timed

    def _under_way(self) -> list[Import]:
        """The imports of this thread, each caused by the one before."""
        if not hasattr(self._thread, "under_way"):
            self._thread.under_way = []
        found: list[Import] = self._thread.under_way
        return found


def _asker(frame: FrameType | None) -> tuple[str, int]:
    """The file and the line that ask for an import, below the frames of the import system."""
    while frame is not None and frame.f_code.co_filename.startswith(_OF_IMPORTLIB):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("", 0)
