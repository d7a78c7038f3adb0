"""Modules that are loaded but show themselves only when they are imported."""

import os
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple


class _Group(NamedTuple):
    """What one import loaded: of `root`, which read these variables."""

    root: str
    modules: dict[str, ModuleType]
    variables: Mapping[str, str | None]


class Aside:
    """Keeps modules out of `sys.modules` and hands them out when they are imported.

    A finder, first on `sys.meta_path` in every function's process, also where it keeps nothing.
    What one import loaded is handed out by the same import, if the variables that it read have the
    same values by then. If another import wants a part of it, that loads its own.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Group] = {}

    def keep(self, root: str, names: Iterable[str], reads: Iterable[str]) -> None:
        """Take these loaded modules aside; `reads` are the variables that they read."""
        modules = {name: sys.modules.pop(name) for name in names}
        group = _Group(root, modules, {each: os.environ.get(each) for each in reads})
        for name in modules:
            self._kept[name] = group
            parent, _, child = name.rpartition(".")
            if parent and parent not in modules:
                vars(sys.modules[parent]).pop(child, None)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        group = self._kept.get(name)
        if group is None:
            return None
        for each in group.modules:
            del self._kept[each]
        if name != group.root or any(os.environ.get(k) != v for k, v in group.variables.items()):
            return None
        for each, module in group.modules.items():
            # The import itself puts `name` there, unless it finds it there already.
            if each != name and sys.modules.setdefault(each, module) is module:
                parent, _, child = each.rpartition(".")
                if parent and parent not in group.modules:
                    setattr(sys.modules[parent], child, module)
        loader: Any = _HandOut(group.modules[name])
        return ModuleSpec(name, loader)

    def invalidate_caches(self) -> None:
        pass


class _HandOut:
    """A loader that loads nothing: the module is there already.

    Not a subclass of `importlib.abc.Loader`, which takes long to import.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
