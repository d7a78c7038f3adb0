import ast
import importlib.machinery
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lampwork.runtime.launching.source_cache import is_own_code
from lampwork.stack.model import Function

# It reads the address of its Runtime API when it is loaded.
NEVER = frozenset({"awslambdaric", "runtime_client"})
# What packages load only once they are used, which functions do when they are loaded: with the
# first route, model or client. No import in a function's code names it.
LOADED_LATER = {
    "fastapi": ("pydantic.v1",),
    "httpx": ("certifi", "h11", "httpcore"),
    "pydantic": ("pydantic.fields", "pydantic.main", "pydantic.plugin._loader", "pydantic.types"),
}
SUFFIXES = tuple(importlib.machinery.all_suffixes())


@dataclass(frozen=True, slots=True)
class Import:
    """`module`, absolute or relative by `level`, and what is taken from it, if anything."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


class ImportScanner:
    """Finds what functions import when they are loaded, without running any of their code.

    What lies in a `hidden` folder hides what is installed and may be edited: it is left out.
    Files are read again only when they have changed.
    """

    def __init__(
        self, search_path: Iterable[Path | str] | None = None, hidden: Iterable[Path] = ()
    ) -> None:
        self._search_path = [Path(path) for path in search_path or sys.path if path]
        self._hidden = tuple(hidden)
        self._known: dict[tuple[Path, int, int], tuple[Import, ...]] = {}

    def third_party(self, functions: Iterable[Function]) -> set[str]:
        """The modules of installed packages that loading these functions imports, with dots.

        Neither the standard library nor what lies under their `code_dir` is among them.
        """
        found: set[str] = set()
        seen: set[tuple[str, Path]] = set()
        ahead = [(_module(function), function.code_dir) for function in functions]
        while ahead:
            name, code_dir = ahead.pop()
            if not name or (name, code_dir) in seen:
                continue
            seen.add((name, code_dir))
            own = _own_file(name, code_dir)
            if own is not None:
                ahead.append((name.rpartition(".")[0], code_dir))
                ahead += [(imported, code_dir) for imported in self._imported(own, name)]
            elif self._is_installed(name, code_dir):
                found.add(name)
                ahead += [(later, code_dir) for later in LOADED_LATER.get(name, ())]
        return found

    def _imported(self, file: Path, name: str) -> Iterator[str]:
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for each in self._read(file):
            module = _absolute(each, package)
            if module:
                yield module
            # A name taken from a package may be a module of its own.
            yield from (f"{module}.{taken}" for taken in each.names if module)

    def _read(self, file: Path) -> tuple[Import, ...]:
        status = file.stat()
        key = (file, status.st_mtime_ns, status.st_size)
        if key not in self._known:
            self._known[key] = tuple(_imports(file))
        return self._known[key]

    def _is_installed(self, name: str, code_dir: Path) -> bool:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in NEVER:
            return False
        if any(_is_module(folder / top) for folder in self._hidden):
            return False
        relative = name.replace(".", "/")
        return any(
            _is_module(folder / relative)
            for folder in self._search_path
            if not is_own_code(str(folder), str(code_dir))
        )


def _module(function: Function) -> str:
    return function.handler.rpartition(".")[0].replace("/", ".")


def _imports(file: Path) -> Iterator[Import]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the function itself will tell
        return
    yield from _run_at_import(tree.body)


def _run_at_import(body: list[ast.stmt]) -> Iterator[Import]:
    for statement in body:
        match statement:
            case ast.Import(names=names):
                yield from (Import(alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield Import(module or "", tuple(alias.name for alias in names), level)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=test, orelse=orelse) if _is_for_type_checkers(test):
                yield from _run_at_import(orelse)
            case _:
                yield from _run_at_import(_nested(statement))


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


def _own_file(name: str, code_dir: Path) -> Path | None:
    path = code_dir / name.replace(".", "/")
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return None


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return True
    return any(path.with_name(path.name + suffix).is_file() for suffix in SUFFIXES)
