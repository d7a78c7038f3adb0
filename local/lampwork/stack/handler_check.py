"""Checks, without running a function, whether its handler can be loaded."""

import ast
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

from lampwork.stack.model import Function

# AWS's runtime client logs these same mistakes for each request; its lines begin so.
LOAD_ERRORS: Final = tuple(
    f"[ERROR] Runtime.{kind}: "
    for kind in (
        *("ImportModuleError", "MalformedHandlerName"),
        *("UserCodeSyntaxError", "HandlerNotFound"),
    )
)


def is_about_loading(line: str) -> bool:
    """Whether a line of a function's log is the runtime client's report that it cannot load the
    function."""
    return line.startswith(LOAD_ERRORS)


class HandlerProblems:
    """Says once which functions cannot be loaded, with the file and line to correct."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: dict[str, str] = {}

    def tell(self, functions: Iterable[Function]) -> list[str]:
        """Check these functions anew and say what is wrong with them. Returns what was said."""
        self._told.clear()
        for function in functions:
            self._tell(function)
        return list(self._told.values())

    def explain(self, line: str, function: Function) -> bool:
        """Whether a line of a function's log only repeats a problem that this check finds. Says the
        problem now if it has not been said yet."""
        return is_about_loading(line) and self._tell(function)

    def _tell(self, function: Function) -> bool:
        problem = handler_problem(function)
        if problem is None:
            return False
        if self._told.get(function.logical_id) != problem:
            self._told[function.logical_id] = problem
            self._say(problem)
        return True


def syntax_errors(files: Iterable[Path]) -> Iterator[str]:
    """What is wrong with those of these files that Python cannot read, with file and line."""
    for file in sorted(files):
        if file.suffix == ".py" and file.is_file():
            try:
                ast.parse(file.read_bytes(), filename=file.name)
            except SyntaxError as error:
                yield f"{file}:{error.lineno}: {error.msg}"
            except ValueError as error:  # a null byte
                yield f"{file}:1: {error}"


def handler_problem(function: Function) -> str | None:
    """Why a function cannot be loaded; None if files show no reason."""
    if function.web_adapter:
        return _problem_of_program(function)
    if function.is_node:
        return _problem_of_node(function)
    named = f"the handler {function.handler} of {function.logical_id}"
    where = f"{function.template}:{function.handler_line}"
    module, _, name = function.handler.rpartition(".")
    if not module:
        return (
            f"{where}: the handler {function.handler!r} of {function.logical_id} must be written"
            " as module.function."
        )
    path = module.replace(".", "/")
    file = _file(function.code_dir, path)
    if file is None and _is_elsewhere(path, function):
        return None
    if file is None:
        return (
            f"{where}: {named} has no module {module} in {function.code_dir};"
            " correct its Handler or CodeUri."
        )
    try:
        tree = ast.parse(file.read_bytes(), filename=file.name)
    except SyntaxError as error:
        if function.python is not None and function.python.is_newer:
            return None  # its own Python may read it
        return f"{file}:{error.lineno}: {error.msg}; {function.logical_id} cannot be loaded."
    except ValueError as error:  # a null byte
        return f"{file}:1: {error}; {function.logical_id} cannot be loaded."
    if _may_define(tree.body, name):
        return None
    return f"{where}: {named} is not there: {file} defines no {name}."


def _problem_of_program(function: Function) -> str | None:
    """The Lambda Web Adapter runs the file that the handler names."""
    program = function.code_dir / function.handler
    where = f"{function.template}:{function.handler_line}"
    if not program.is_file():
        return (
            f"{where}: the handler {function.handler} of {function.logical_id} is not in"
            f" {function.code_dir}; correct its Handler or CodeUri."
        )
    if not os.access(program, os.X_OK):
        return f"{program} cannot be run by {function.logical_id}: try `chmod +x {program}`."
    return _missing_node_packages(function) if function.is_node else None


def _problem_of_node(function: Function) -> str | None:
    """Node.js finds a module in the function's folder, by the handler's path without its last part.
    What the module exports only running it would show."""
    path, name = os.path.split(function.handler)
    module = function.code_dir / path / name.partition(".")[0]
    if any(module.with_name(module.name + suffix).is_file() for suffix in (".js", ".mjs", ".cjs")):
        return _missing_node_packages(function)
    where = f"{function.template}:{function.handler_line}"
    if any(module.with_name(module.name + suffix).is_file() for suffix in (".ts", ".mts")):
        return (
            f"{where}: the handler {function.handler} of {function.logical_id} is TypeScript: run"
            " `sam build` and `lampwork up -t .aws-sam/build/template.yaml`."
        )
    return (
        f"{where}: the handler {function.handler} of {function.logical_id} has no module"
        f" {module.name}.js or .mjs in {module.parent}; correct its Handler or CodeUri."
    )


def _missing_node_packages(function: Function) -> str | None:
    """Lampwork does not install them, as it installs Python's: npm's own commands do."""
    folder = function.code_dir
    try:
        package = json.loads((folder / "package.json").read_bytes())
        asked = sorted(package.get("dependencies") or {})
    except (OSError, ValueError, AttributeError):
        return None
    places = [each / "node_modules" for each in (folder, *folder.parents)]
    places += [layer / "nodejs" / "node_modules" for layer in function.layers]
    missing = [name for name in asked if not any((place / name).is_dir() for place in places)]
    if not missing:
        return None
    return f"{folder}: run `npm install` here; {function.logical_id} needs {', '.join(missing)}."


def _file(code_dir: Path, module: str) -> Path | None:
    path = code_dir / module
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _is_elsewhere(module: str, function: Function) -> bool:
    """Whether the module is compiled, or belongs to a layer or an installed package. These are not
    checked."""
    brought = [function.requirements, *function.layer_requirements]
    if any(folder and not folder.is_dir() for folder in brought):
        return True  # not installed yet
    # The first entry is the folder of the command itself, or the one in which it was called.
    own = function.python.search_path if function.python is not None else ()
    installed = map(Path, (*own, *sys.path[1:]))
    paths = [place / module for place in (function.code_dir, *function.packages, *installed)]
    return any(
        path.is_dir() or path.with_name(path.name + suffix).is_file()
        for path in paths
        for suffix in all_suffixes()
    )


def _may_define(body: Iterable[ast.stmt], name: str) -> bool:
    """Whether a module's statements bind a name, or may bind it in a way that only running them
    would show."""
    return any(_binds(node, name) for statement in body for node in _own_nodes(statement))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and the nodes within it that belong to the same scope."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _own_nodes(child)


def _binds(node: ast.AST, name: str) -> bool:
    match node:
        case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound):
            return bound in (name, "__getattr__")
        case ast.ClassDef(name=bound):
            return bound == name
        case ast.Name(id=bound, ctx=ast.Store()):
            return bound == name
        case ast.alias(name=imported, asname=renamed):
            return imported == "*" or (renamed or imported.partition(".")[0]) == name
        case ast.Call(func=ast.Name(id="globals" | "setattr" | "exec")):
            return True
    return False
