from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from lampwork.vtl import java
from lampwork.vtl.java import TemplateFailure
from lampwork.vtl.nodes import (
    Block,
    Call,
    Constant,
    Define,
    Expression,
    ForEach,
    If,
    Index,
    Interpolated,
    Leave,
    ListOf,
    Macro,
    MacroCall,
    MapOf,
    Node,
    Operation,
    Property,
    RangeOf,
    Reference,
    Set,
    Text,
    Unary,
)

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MOST_ROUNDS: Final = 1000
MOST_DEPTH: Final = 50
MOST_TEXT: Final = 10 * 1024 * 1024


class _Break(Exception):
    pass


class _Stop(Exception):
    pass


def render(template: Block, variables: dict[str, Any]) -> str:
    """The text of a template. What it sets is in `variables` then.

    A reference to nothing writes nothing (recorded: test_input_path_template_formatting).

    Raises:
        TemplateFailure: it goes round too often or writes too much.
    """
    renderer = _Renderer(variables)
    with suppress(_Break, _Stop):
        renderer.block(template)
    return renderer.text()


class _Renderer:
    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._macros: dict[str, Macro] = {}
        self._written: list[str] = []
        self._size = 0
        self._rounds = 0
        self._depth = 0

    def text(self) -> str:
        return "".join(self._written)

    def block(self, nodes: Block) -> None:
        for node in nodes:
            self._node(node)

    def _node(self, node: Node) -> None:
        match node:
            case Text():
                self._write(node.text)
            case Reference():
                self._write(java.as_text(self._reference(node)))
            case Set():
                self._set(node)
            case If():
                self._if(node)
            case ForEach():
                self._foreach(node)
            case Define():
                self._variables[node.variable] = _Defined(self._apart, node.body)
            case Macro():
                self._macros[node.name] = node
            case MacroCall():
                self._macro(node)
            case Leave(what="break"):
                raise _Break
            case Leave():
                raise _Stop

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_TEXT:
            raise TemplateFailure("the template writes more than 10 MB")
        self._written.append(text)

    def _apart(self, nodes: Block) -> str:
        """The text of some nodes, which is not written."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise TemplateFailure("the template goes too deep into itself")
        outer, self._written = self._written, []
        try:
            self.block(nodes)
            return self.text()
        finally:
            self._written = outer
            self._depth -= 1

    def _if(self, node: If) -> None:
        for condition, body in node.branches:
            if condition is None or java.is_true(self._value(condition)):
                self.block(body)
                return

    def _foreach(self, node: ForEach) -> None:
        items = java.items_of(self._value(node.items))
        names = (node.variable, "foreach", "velocityCount")
        before = {name: self._variables.get(name) for name in names}
        try:
            for index, item in enumerate(items):
                self._rounds += 1
                if self._rounds > MOST_ROUNDS:
                    raise TemplateFailure(f"#foreach goes round more than {MOST_ROUNDS} times")
                self._variables[node.variable] = item
                self._variables["velocityCount"] = index + 1
                self._variables["foreach"] = {
                    "index": index,
                    "count": index + 1,
                    "hasNext": index + 1 < len(items),
                    "first": index == 0,
                    "last": index + 1 == len(items),
                    "parent": before["foreach"],
                }
                self.block(node.body)
        except _Break:
            pass
        finally:
            self._variables.update(before)

    def _macro(self, node: MacroCall) -> None:
        macro = self._macros.get(node.name)
        if macro is None:
            return
        values = [self._value(each) for each in node.arguments]
        missing = len(macro.parameters) - len(values)
        given = dict(zip(macro.parameters, [*values, *[None] * missing], strict=False))
        before = {name: self._variables.get(name) for name in given}
        self._variables.update(given)
        try:
            self._write(self._apart(macro.body))
        finally:
            self._variables.update(before)

    def _set(self, node: Set) -> None:
        value = self._value(node.value)
        name, steps = node.target.name, node.target.steps
        if not steps:
            self._variables[name] = value
            return
        holder = self._reference(Reference(name, steps[:-1]))
        match steps[-1]:
            case Property(name=key):
                pass
            case Index(key=expression):
                key = self._value(expression)
            case Call():
                return
        if isinstance(holder, dict):
            holder[key] = value
        elif isinstance(holder, list):
            java.call(holder, "set", [key, value])

    def _value(self, expression: Expression) -> Any:
        match expression:
            case Constant():
                return expression.value
            case Reference():
                return self._reference(expression)
            case Interpolated():
                return self._apart(expression.parts)
            case ListOf():
                return [self._value(each) for each in expression.items]
            case RangeOf():
                return self._range(expression)
            case MapOf():
                return {self._value(key): self._value(each) for key, each in expression.items}
            case Unary(operator="!"):
                return not java.is_true(self._value(expression.operand))
            case Unary():
                return java.calculated("-", 0, self._value(expression.operand))
            case Operation():
                return self._operation(expression)

    def _operation(self, node: Operation) -> Any:
        left = self._value(node.left)
        match node.operator:
            case "&&":
                return java.is_true(left) and java.is_true(self._value(node.right))
            case "||":
                return java.is_true(left) or java.is_true(self._value(node.right))
            case "==":
                return java.are_equal(left, self._value(node.right))
            case "!=":
                return not java.are_equal(left, self._value(node.right))
            case "<" | "<=" | ">" | ">=" as operator:
                return java.is_ordered(operator, left, self._value(node.right))
            case operator:
                return java.calculated(operator, left, self._value(node.right))

    def _range(self, node: RangeOf) -> list[int]:
        first, last = self._value(node.first), self._value(node.last)
        if not isinstance(first, int) or not isinstance(last, int):
            return []
        if abs(last - first) > MOST_ROUNDS:
            raise TemplateFailure(f"a range has more than {MOST_ROUNDS} numbers")
        step = 1 if last >= first else -1
        return list(range(first, last + step, step))

    def _reference(self, reference: Reference) -> Any:
        value = self._variables.get(reference.name)
        if isinstance(value, _Defined):
            value = value.render()
        for step in reference.steps:
            if value is None:
                return None
            match step:
                case Property():
                    value = java.property_of(value, step.name)
                case Call():
                    arguments = [self._value(each) for each in step.arguments]
                    value = java.call(value, step.name, arguments)
                case Index():
                    value = java.item_of(value, self._value(step.key))
        return value


class _Defined:
    """What #define keeps to be rendered where it is read."""

    def __init__(self, apart: Callable[[Block], str], body: Block) -> None:
        self._apart = apart
        self._body = body

    def render(self) -> str:
        return self._apart(self._body)
