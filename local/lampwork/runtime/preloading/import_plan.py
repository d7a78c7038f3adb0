"""Which packages a function imports while it loads, in its own order, found by reading its code."""

import ast
import importlib.machinery
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lampwork.runtime.user_code import editable_folders, is_installed

# AWS's runtime client reads the address of its Runtime API when it is imported.
NEVER_PRELOADED = frozenset({"awslambdaric", "runtime_client"})
# Modules that packages import only when they are first used, mostly while a function loads: a
# route, a client. No import in a function's code names them.
LOADED_ON_USE = {"fastapi": ("pydantic.v1",), "httpx": ("certifi", "h11", "httpcore")}
MODULE_SUFFIXES = tuple(importlib.machinery.all_suffixes())
# What code that changes the surroundings of a later import calls or assigns.
CHANGING_CALLS = frozenset(
    {"addsitedir", "basicConfig", "chdir", "dictConfig", "fileConfig", "filterwarnings"}
    | {"load_dotenv", "monkey_patch", "patch_all", "putenv", "read_env", "setlocale"}
    | {"simplefilter", "unsetenv"}
)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CHANGED_MAPPINGS = frozenset({"environ", "environb", "modules"})
CHANGED_LISTS = frozenset({"path", "meta_path", "path_hooks", "argv"})
CHANGING_METHODS = frozenset(
    {"append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)


@dataclass(frozen=True, slots=True)
class Step:
    """One import: of `module`, or of the `name` from it, which may be a module itself.

    What is loaded `aside` shows itself only when it is imported.
    """

    module: str
    name: str = ""
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Of a parsed file, what matters to the imports: these themselves, and `Change`s.

    A whole file takes about fifty times its size in memory.
    """

    body: Sequence["Part"]


class Change:
    """A statement that may change what a later import does."""


@dataclass(frozen=True, slots=True)
class Block:
    """A class or a `try`: what is left of it when an import in it fails does not happen."""

    body: Sequence["Part"]


@dataclass(frozen=True, slots=True)
class Import:
    """`import` these names, or, `of` a module that is so many levels up, these names from it."""

    names: tuple[str, ...]
    of: str | None = None
    level: int = 0


Part = Import | Block | Change


class ImportScanner:
    """Reads what functions import while they load, without running their code.

    The user's own code is never preloaded, but the packages that it imports are. Its folders are
    the function's and those of the search path that hold no installed packages, such as editable
    projects. Files are read again only when they have changed.
    """

    def __init__(self, search_path: Iterable[Path | str] | None = None) -> None:
        paths = [Path(path) for path in search_path or sys.path if path]
        self._installed = [path for path in paths if is_installed(str(path))]
        self._own = [path for path in paths if not is_installed(str(path)) and path.is_dir()]
        self._sources: dict[tuple[Path, int, int], Source] = {}

    def steps(
        self,
        handler: str,
        code_dir: Path,
        packages: Path | None = None,
        hidden: Sequence[Path] = (),
        named: Iterable[str] = (),
    ) -> tuple[Step, ...]:
        """What this function imports from installed packages, and from those in `packages`.

        Only imports that surely happen. They end where the function's own code begins to change
        the surroundings of later imports, such as its variables. The `named` modules, and those
        that packages load on use, are loaded aside. A module in a `hidden` folder, such as a
        layer, takes precedence over an installed one and may be edited.
        """
        brought = [packages] if packages else []
        own = [code_dir, *(editable_folders(packages) if packages else ()), *self._own]
        walk = _Walk(self, own, (*brought, *self._installed), hidden)
        walk.visit(handler.rpartition(".")[0].replace("/", "."))
        found = list(walk.steps)
        imported = {step.module for step in found}
        later = [each for name in sorted(imported) for each in LOADED_ON_USE.get(name, ())]
        for name in (*named, *later):
            if Step(name) not in walk.steps and walk.is_installed(name):
                found.append(Step(name, aside=True))
        return tuple(dict.fromkeys(found))

    def read(self, file: Path) -> Source:
        status = file.stat()
        key = (file, status.st_mtime_ns, status.st_size)
        if key not in self._sources:
            self._sources[key] = _parse(file)
        return self._sources[key]


class _SurroundingsChange(Exception):
    """From here on, an import may do something else than it would before the function's code."""


@dataclass
class _Walk:
    """Follows a function's modules in the order in which Python would run them."""

    scanner: ImportScanner
    own: Sequence[Path]
    installed: Sequence[Path]
    hidden: Sequence[Path]
    steps: dict[Step, None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    # Modules are imported over and over: where each is is looked up once in a walk.
    own_files: dict[str, Path | None] = field(default_factory=dict)
    own_folders: dict[str, bool] = field(default_factory=dict)
    found: dict[str, bool] = field(default_factory=dict)

    def visit(self, name: str) -> None:
        try:
            self._load(name)
        except _SurroundingsChange:
            return

    def is_installed(self, name: str) -> bool:
        if name not in self.found:
            self.found[name] = self._look_for(name)
        return self.found[name]

    def _look_for(self, name: str) -> bool:
        top = name.partition(".")[0]
        if not top or top in sys.stdlib_module_names or top in NEVER_PRELOADED:
            return False
        if self._is_hidden(top):
            return False
        relative = name.replace(".", "/")
        return any(_is_module(folder / relative) for folder in self.installed)

    def _load(self, name: str) -> bool:
        """Follow the import of a module. Returns False if it may fail."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            part = ".".join(parts[:count])
            own = self._own_file(part)
            if own is None:
                if self._is_own_folder(part):
                    continue  # a package without an __init__
                return self._take(name)
            if part not in self.seen:
                self.seen.add(part)
                source = self.scanner.read(own)
                package = part if own.name == "__init__.py" else part.rpartition(".")[0]
                self._run(source.body, package)
        return True

    def _own_file(self, name: str) -> Path | None:
        if name not in self.own_files:
            self.own_files[name] = _own_file(name, self.own)
        return self.own_files[name]

    def _is_own_folder(self, name: str) -> bool:
        if name not in self.own_folders:
            path = name.replace(".", "/")
            self.own_folders[name] = any((folder / path).is_dir() for folder in self.own)
        return self.own_folders[name]

    def _take(self, name: str) -> bool:
        if name.partition(".")[0] in (*sys.stdlib_module_names, *NEVER_PRELOADED):
            return True
        if self.is_installed(name):
            self.steps[Step(name)] = None
            return True
        return self._is_hidden(name.partition(".")[0])

    def _is_hidden(self, top: str) -> bool:
        return any(_is_module(folder / top) for folder in self.hidden)

    def _run(self, body: Iterable[Part], package: str) -> None:
        for part in body:
            if not self._follow(part, package):
                return

    def _follow(self, part: Part, package: str) -> bool:
        """Returns False where an import may fail, so that what comes after it may not happen."""
        match part:
            case Import(names=names, of=None):
                return all([self._load(name) for name in names])
            case Import(names=names, of=module, level=level):
                return self._load_from(_absolute(module or "", level, package), names)
            case Block(body=body):
                self._run(body, package)
            case Change():
                raise _SurroundingsChange
        return True

    def _load_from(self, module: str, names: Iterable[str]) -> bool:
        if not self._load(module):
            return False
        taken = Step(module) in self.steps
        own = None if taken else self._own_file(module)
        if own is not None and own.name != "__init__.py":
            return True  # a file has no modules
        for name in names:
            if taken and name != "*":
                self.steps[Step(module, name)] = None
            elif not taken and self._own_file(f"{module}.{name}") is not None:
                self._load(f"{module}.{name}")
        return True


def _parse(file: Path) -> Source:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the function reports it when it is loaded
        return Source(())
    changes = any(map(_changes_surroundings, ast.walk(tree)))
    return Source(tuple(_parts(tree.body, _changing(tree) if changes else None)))


def _parts(body: Iterable[ast.stmt], changing: frozenset[str] | None) -> Iterator[Part]:
    """What matters of these statements; `changing` is None where nothing changes anything."""
    for statement in body:
        match statement:
            case ast.Import(names=names):
                yield Import(tuple(alias.name for alias in names))
            case ast.ImportFrom(module=module, names=names, level=level):
                yield Import(tuple(alias.name for alias in names), module or "", level)
            case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
                pass
            case ast.If(test=test, orelse=inner) if _is_for_type_checkers(test):
                yield Block(tuple(_parts(inner, changing)))
            case ast.Try(body=inner) | ast.ClassDef(body=inner, decorator_list=[]):
                yield Block(tuple(_parts(inner, changing)))
            case _ if changing is not None and _may_change(statement, changing):
                yield Change()


def _changing(tree: ast.Module) -> frozenset[str]:
    """The functions and classes of a file that change the surroundings, or name one that does."""
    definitions = [each for each in ast.walk(tree) if isinstance(each, DEFINITIONS)]
    changing = frozenset[str]()
    while True:
        found = {each.name for each in definitions if _may_change(each, changing)}
        if found == changing:
            return changing
        changing = frozenset(found)


def _may_change(code: ast.stmt, changing: Collection[str]) -> bool:
    """Whether this code changes the surroundings, or names something that does when called."""
    return any(
        _changes_surroundings(node) or (isinstance(node, ast.expr) and _last_name(node) in changing)
        for node in ast.walk(code)
    )


def _changes_surroundings(node: ast.AST) -> bool:
    """Whether this is, say, `os.environ["X"] = …`, `sys.path.insert(…)` or `load_dotenv()`."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return _last_name(value) in CHANGED_MAPPINGS
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in CHANGING_METHODS:
            return _last_name(value) in CHANGED_MAPPINGS or _is_of_sys(value)
        case ast.Call(func=function):
            return _last_name(function) in CHANGING_CALLS
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            return _is_of_sys(node) or (isinstance(node.value, ast.Name) and node.value.id == "os")
    return False


def _is_of_sys(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="sys"), attr=attribute):
            return attribute in CHANGED_LISTS
    return False


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_for_type_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _absolute(module: str, level: int, package: str) -> str:
    if not level:
        return module
    parts = package.split(".")
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, module] if module else base)


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
