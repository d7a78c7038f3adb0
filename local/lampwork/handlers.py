"""What can be said about a function's handler without running it."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from lampwork.model import Function


def problems(functions: Iterable[Function], template: Path) -> Iterator[str]:
    """One line for each function that cannot be loaded, with the file and line to put right."""
    for function in functions:
        if problem := _problem(function):
            yield f"{problem} ({function.logical_id}, {template.name}, line {function.line})"


def _problem(function: Function) -> str | None:
    module, _, name = function.handler.rpartition(".")
    if not module:
        return f"The handler {function.handler!r} is not of the form module.function"
    file = _file(function.code_dir, module.replace(".", "/"))
    if file is None:
        return f"The handler {function.handler} has no module {module} in {function.code_dir}"
    shown = file.relative_to(function.code_dir)
    try:
        tree = ast.parse(file.read_bytes(), filename=str(shown))
    except SyntaxError as error:
        return f"{shown}, line {error.lineno}: {error.msg}"
    except ValueError as error:  # a null byte
        return f"{shown}: {error}"
    if _may_define(tree.body, name):
        return None
    return f"{shown} defines no {name!r}, the handler {function.handler}"


def _file(code_dir: Path, module: str) -> Path | None:
    """A compiled module, a package installed elsewhere and the like are not for us to judge."""
    path = code_dir / module
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _may_define(body: Iterable[ast.stmt], name: str) -> bool:
    """Whether a module's statements bind a name, or could in a way that only running them shows."""
    return any(_binds(node, name) for statement in body for node in _own_nodes(statement))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and all in it that runs in the same scope."""
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
