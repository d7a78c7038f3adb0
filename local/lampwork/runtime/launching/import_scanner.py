import ast
import importlib.machinery
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lampwork.runtime.user_code import is_installed
from lampwork.stack.model import Function

# AWS's runtime client reads the address of its Runtime API when it is imported.
NEVER_PRELOADED = frozenset({"awslambdaric", "runtime_client"})
# Modules that packages import only when they are first used. Functions use them while they load (a
# route, a model, a client), but no import in a function's code names them.
LOADED_ON_USE = {
    "fastapi": ("pydantic.v1",),
    "httpx": ("certifi", "h11", "httpcore"),
    "pydantic": ("pydantic.fields", "pydantic.main", "pydantic.plugin._loader", "pydantic.types"),
}
MODULE_SUFFIXES = tuple(importlib.machinery.all_suffixes())


@dataclass(frozen=True, slots=True)
class Import:
    """`module`, absolute or relative by `level`, and the `names` imported from it, if any."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


class ImportScanner:
    """Finds what functions import when they are loaded, without running their code.

    The user's own code is never preloaded, but the packages that it imports are. Its folders are
    the function's and those of the search path that hold no installed packages, such as editable
    projects. A module in a `hidden` folder takes precedence over an installed one and may be
    edited, so it is not preloaded. Files are read again only when they have changed.
    """

    def __init__(
        self, search_path: Iterable[Path | str] | None = None, hidden: Iterable[Path] = ()
    ) -> None:
        paths = [Path(path) for path in search_path or sys.path if path]
        self._installed = [path for path in paths if is_installed(str(path))]
        self._own = [path for path in paths if not is_installed(str(path)) and path.is_dir()]
        self._hidden = tuple(hidden)
        self._imports_by_file: dict[tuple[Path, int, int], tuple[Import, ...]] = {}

    def third_party(self, functions: Iterable[Function]) -> set[str]:
        """The dotted names of modules from installed packages that these functions import.

        They include neither the standard library nor any of the user's own code.
        """
        found: set[str] = set()
        seen: set[tuple[str, Path]] = set()
        pending = [(_handler_module(function), function.code_dir) for function in functions]
        while pending:
            name, code_dir = pending.pop()
            if not name or (name, code_dir) in seen:
                continue
            seen.add((name, code_dir))
            own = _own_file(name, [code_dir, *self._own])
            if own is not None:
                pending.append((name.rpartition(".")[0], code_dir))
                pending += [(imported, code_dir) for imported in self._imported(own, name)]
            elif self._is_installed(name):
                found.add(name)
                pending += [(later, code_dir) for later in LOADED_ON_USE.get(name, ())]
        return found

    def _imported(self, file: Path, name: str) -> Iterator[str]:
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for each in self._read(file):
            module = _absolute(each, package)
            if module:
                yield module
            # A name imported from a package may be a module itself.
            yield from (f"{module}.{taken}" for taken in each.names if module)

    def _read(self, file: Path) -> tuple[Import, ...]:
        status = file.stat()
        key = (file, status.st_mtime_ns, status.st_size)
        if key not in self._imports_by_file:
            self._imports_by_file[key] = tuple(_imports(file))
        return self._imports_by_file[key]

    def _is_installed(self, name: str) -> bool:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in NEVER_PRELOADED:
            return False
        if any(_is_module(folder / top) for folder in self._hidden):
            return False
        relative = name.replace(".", "/")
        return any(_is_module(folder / relative) for folder in self._installed)


def _handler_module(function: Function) -> str:
    return function.handler.rpartition(".")[0].replace("/", ".")


def _imports(file: Path) -> Iterator[Import]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the function reports it when it is loaded
        return
    yield from _executed_on_import(tree.body)


def _executed_on_import(body: list[ast.stmt]) -> Iterator[Import]:
    for statement in body:
        match statement:
            case ast.Import(names=names):
                yield from (Import(alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield Import(module or "", tuple(alias.name for alias in names), level)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=test, orelse=orelse) if _is_for_type_checkers(test):
                yield from _executed_on_import(orelse)
            case _:
                yield from _executed_on_import(_nested(statement))


def _nested(statement: ast.stmt) -> list[ast.stmt]:
    nested: list[ast.stmt] = []
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            nested.append(child)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            nested += child.body
    return nested


def _is_for_type_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _absolute(found: Import, package: str) -> str:
    if not found.level:
        return found.module
    parts = package.split(".")
    base = parts[: len(parts) - found.level + 1]
    return ".".join([*base, found.module] if found.module else base)


def _own_file(name: str, folders: Iterable[Path]) -> Path | None:
    for folder in folders:
        path = folder / name.replace(".", "/")
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return True
    return any(path.with_name(path.name + suffix).is_file() for suffix in MODULE_SUFFIXES)
