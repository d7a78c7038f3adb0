"""Which errors of the domain a function of the code can raise, read from the source.

This follows every name that leads to another function, class or constant of the code, and every
method whose name only one class has. It knows no types, so it misses what only those would show;
what it finds can be raised, unless a caller makes it impossible.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import shared.errors
from shared.errors import DomainError
from tests.conftest import ROOT

PACKAGES = ("shared", "functions")
ERRORS = {
    name: each
    for name, each in vars(shared.errors).items()
    if isinstance(each, type) and issubclass(each, DomainError)
}

Caught = frozenset[type[DomainError]]
NOTHING: Caught = frozenset()


class Place(NamedTuple):
    """A function, class or constant: its module, and its name there (a method: Class.method)."""

    module: str
    name: str


APP = "app"  # the application of a function, which leads to everything that any route shares
# What a function cannot raise where it is called, although its source can.
IMPOSSIBLE: dict[Place, Caught] = {
    # It takes apart a token that it has just made.
    Place("shared.services.one_time_tokens", "new_token"): frozenset(
        (shared.errors.InvalidOrExpiredToken,)
    ),
}
OF_LIBRARIES = {"one"}  # methods of SQLAlchemy's results, whose names one class here has too


class Source:
    """All modules, with what each name in them stands for."""

    def __init__(self) -> None:
        self.nodes: dict[Place, ast.AST] = {}
        self.names: dict[str, dict[str, Place]] = defaultdict(dict)
        self.methods: dict[str, list[Place]] = defaultdict(list)
        self._locals: dict[Place, dict[str, ast.AST]] = {}
        self._shadowed: dict[Place, set[str]] = {}
        self.modules = {
            ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
            for package in PACKAGES
            for file in (ROOT / package).rglob("*.py")
        }
        for module, file in self.modules.items():
            self._read(module, file)

    def _read(self, module: str, file: Path) -> None:
        names = self.names[module]
        for node in ast.parse(file.read_text()).body:
            match node:
                case ast.ImportFrom(module=str(origin), names=imported):
                    for each in imported:
                        whole = f"{origin}.{each.name}"
                        place = (
                            Place(whole, "") if whole in self.modules else Place(origin, each.name)
                        )
                        names[each.asname or each.name] = place
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self._add(Place(module, name), node)
                case ast.ClassDef(name=name, body=body):
                    self._add(Place(module, name), node)
                    for method in body:
                        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                            place = Place(module, f"{name}.{method.name}")
                            self.nodes[place] = method
                            self.methods[method.name].append(place)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._add(Place(module, name), value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._add(Place(module, name), value)

    def _add(self, place: Place, node: ast.AST) -> None:
        self.nodes[place] = node
        self.names[place.module][place.name] = place

    def meant(self, node: ast.AST, inside: Place) -> Place | None:
        """The place that an expression names, as far as names alone can say."""
        match node:
            case ast.Name(id=name) if name not in self.shadowed(inside):
                return self.names[inside.module].get(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attribute):
                return Place(inside.module, f"{inside.name.partition('.')[0]}.{attribute}")
            case ast.Attribute(value=value, attr=attribute):
                holder = self.meant(value, inside)
                if holder is not None and holder.name == "":
                    return Place(holder.module, attribute)
                if kind := self.kind(value, inside):
                    return Place(kind.module, f"{kind.name}.{attribute}")
                found = self.methods[attribute] if attribute not in OF_LIBRARIES else []
                return found[0] if len(found) == 1 else None
        return None

    def kind(self, node: ast.AST, inside: Place) -> Place | None:
        """The class that an expression names or makes, or that a variable is declared to have."""
        match node:
            case ast.Name(id=name) if declared := self.locals(inside).get(name):
                return self.kind(declared, inside)
            case ast.Call(func=func):
                return self.kind(func, inside)
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *_])):
                return self.kind(kind, inside)
        place = self.meant(node, inside)
        if place is None or place not in self.nodes:
            return None
        found = self.nodes[place]
        if isinstance(found, ast.ClassDef):
            return place
        return self.kind(found, place) if isinstance(found, ast.Subscript) else None

    def locals(self, inside: Place) -> dict[str, ast.AST]:
        """The annotations of a function's parameters, and what its variables are set to."""
        if inside not in self._locals:
            found = self._locals[inside] = {}
            for node in ast.walk(self.nodes[inside]):
                match node:
                    case ast.arg(arg=name, annotation=ast.expr() as kind):
                        found[name] = kind
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                        found.setdefault(name, value)
        return self._locals[inside]

    def shadowed(self, inside: Place) -> set[str]:
        """The names of a function's own variables."""
        if inside not in self._shadowed:
            self._shadowed[inside] = {
                each.id if isinstance(each, ast.Name) else each.arg
                for each in ast.walk(self.nodes.get(inside, ast.Pass()))
                if (isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
                or isinstance(each, ast.arg)
            }
        return self._shadowed[inside]

    def error(self, node: ast.AST, inside: Place) -> type[DomainError] | None:
        place = self.meant(node, inside)
        return ERRORS.get(place.name) if place and place.module == "shared.errors" else None


@cache
def source() -> Source:
    return Source()


def raised_by(place: Place) -> set[type[DomainError]]:
    """The errors that can come out of a function and all that it leads to."""
    found: set[type[DomainError]] = set()
    seen: set[tuple[Place, Caught]] = set()
    waiting = [(place, NOTHING)]
    while waiting:
        step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        here, caught = step
        node = source().nodes.get(here)
        if node is None or here.module == "shared.errors" or here.name == APP:
            continue
        caught |= IMPOSSIBLE.get(here, NOTHING)
        for reached, more in _walk(node, here, caught):
            if isinstance(reached, Place):
                waiting.append((reached, more))
            elif not issubclass(reached, tuple(more)):
                found.add(reached)
    return found


def _walk(
    node: ast.AST, here: Place, caught: Caught
) -> Iterator[tuple[Place | type[DomainError], Caught]]:
    match node:
        case ast.ClassDef():  # its methods are reached by their own names
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            for name in methods & {"__init__", "__post_init__"}:
                yield Place(here.module, f"{node.name}.{name}"), caught
            return
        case ast.Raise(exc=ast.Name() | ast.IfExp() as raised):
            for each in ast.walk(raised):
                if error := source().error(each, here):
                    yield error, caught
        case ast.Call(func=func) if error := source().error(func, here):
            yield error, caught  # made to be raised, here or by a caller
        case ast.Try():
            handled = {each for handler in node.handlers for each in _handled(handler, here)}
            for each in node.body:
                yield from _walk(each, here, caught | handled)
            for rest in (*node.handlers, *node.orelse, *node.finalbody):
                yield from _walk(rest, here, caught)
            return
        case ast.Name() | ast.Attribute():
            if place := source().meant(node, here):
                yield place, caught
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, here, caught)


def _handled(handler: ast.ExceptHandler, here: Place) -> Iterator[type[DomainError]]:
    """The errors that a handler keeps to itself."""
    passes_on = any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler))
    if handler.type is None or passes_on:
        return
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    for kind in kinds:
        if error := source().error(kind, here):
            yield error
