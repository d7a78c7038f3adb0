"""Reads the Velocity Template Language.

https://velocity.apache.org/engine/1.7/vtl-reference.html
"""

import re
from typing import Final, cast

from lampwork.vtl.expressions import ExpressionReader
from lampwork.vtl.nodes import (
    Block,
    Define,
    Expression,
    ForEach,
    If,
    Leave,
    Macro,
    MacroCall,
    Node,
    Reference,
    Set,
    Text,
)
from lampwork.vtl.scanner import Scanner

DIRECTIVE: Final = re.compile(r"#(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
# What a directive takes with it: the spaces after it and the end of its line.
REST_OF_LINE: Final = re.compile(r"[ \t]*\r?\n")
OPENING: Final = re.compile(r"[ \t]*\(")
INDENT: Final = re.compile(r"(?<=\n)[ \t]*\Z")
BRANCH_ENDS: Final = frozenset({"elseif", "else", "end"})
UNKNOWN: Final = frozenset({"parse", "include", "evaluate"})


def parse(source: str) -> Block:
    """The nodes of a template.

    Raises:
        TemplateSyntaxError: it is no template; says in which line.
    """
    return _Parser(source).template()


class _Parser:
    def __init__(self, source: str) -> None:
        self._at = Scanner(source)
        self._expressions = ExpressionReader(self._at, parse)
        self._macros: set[str] = set(re.findall(r"#macro\s*\(\s*(\w+)", source))

    def template(self) -> Block:
        return self._block(frozenset())[0]

    def _block(self, ends: frozenset[str]) -> tuple[Block, str | None]:
        """The nodes up to one of the directives that end the block, and that directive."""
        nodes: list[Node] = []
        text: list[str] = []

        def add(node: Node) -> None:
            if text:
                nodes.append(Text("".join(text)))
                text.clear()
            nodes.append(node)

        def finish(end: str | None) -> tuple[Block, str | None]:
            if text:
                nodes.append(Text("".join(text)))
            return tuple(nodes), end

        at = self._at
        while not at.done:
            if plain := at.take(r"[^#$\\]+"):
                text.append(plain)
            elif at.take(r"##[^\n]*\n?") or at.take(r"(?s)#\*.*?\*#"):
                continue
            elif raw := at.match(r"(?s)#\[\[(.*?)\]\]#"):
                text.append(raw[1])
            elif escaped := at.match(r"\\([$#])"):
                text.append(escaped[1])
            elif at.peek("$"):
                reference = self._expressions.reference()
                if reference is None:
                    text.append(at.character())
                else:
                    add(reference)
            elif at.peek("#") and (name := self._directive(ends)) is not None:
                if name in ("set", *BRANCH_ENDS, *ends) and text:
                    text[-1] = INDENT.sub("", text[-1])
                if name in ends:
                    return finish(name)
                add(self._statement(name))
            else:
                text.append(at.character())
        if ends:
            raise at.error("an #end is missing")
        return finish(None)

    def _directive(self, ends: frozenset[str]) -> str | None:
        """The name of the directive here, which is read then; None where there is only a #."""
        found = DIRECTIVE.match(self._at.source, self._at.position)
        if found is None:
            return None
        name = cast(str, found[1] or found[2])
        if found[1] is None and name not in KNOWN and name not in self._macros:
            # `#elsex` is `#else` before a text.
            for end in ("else", "end"):
                if end in ends and name.startswith(end):
                    self._at.position += 1 + len(end)
                    return end
            if name in UNKNOWN:
                raise self._at.error(f"#{name} is not available in mapping templates")
            return None
        if name in BRANCH_ENDS and name not in ends:
            raise self._at.error(f"this #{name} has no #if or #foreach")
        self._at.position = found.end()
        if name in ("else", "end"):
            self._at.take(REST_OF_LINE)
        return name

    def _statement(self, name: str) -> Node:
        match name:
            case "if":
                return self._if()
            case "set":
                return self._set()
            case "foreach":
                return self._foreach()
            case "define":
                self._open("define")
                target = self._variable()
                self._close()
                return Define(target, self._body())
            case "macro":
                return self._macro()
            case "break" | "stop":
                self._at.take(REST_OF_LINE)
                return Leave(name)
            case _:
                return self._macro_call(name)

    def _if(self) -> If:
        branches: list[tuple[Expression | None, Block]] = []
        condition = self._condition("if")
        while True:
            body, end = self._block(BRANCH_ENDS)
            branches.append((condition, body))
            if end == "elseif":
                condition = self._condition("elseif")
                continue
            if end == "else":
                branches.append((None, self._body()))
            return If(tuple(branches))

    def _condition(self, directive: str) -> Expression:
        self._open(directive)
        condition = self._expressions.expression()
        self._close()
        return condition

    def _set(self) -> Set:
        self._open("set")
        target = self._expressions.reference()
        if target is None:
            raise self._at.error("#set needs a $variable")
        self._at.skip()
        if not self._at.take(r"=(?!=)"):
            raise self._at.error("#set needs a =")
        value = self._expressions.expression()
        self._close()
        return Set(target, value)

    def _foreach(self) -> ForEach:
        self._open("foreach")
        variable = self._variable()
        self._at.skip()
        if not self._at.take(r"in\b"):
            raise self._at.error("#foreach needs `$variable in $list`")
        items = self._expressions.expression()
        self._close()
        return ForEach(variable, items, self._body())

    def _macro(self) -> Macro:
        self._open("macro")
        name = self._at.take(r"\w+")
        if not name:
            raise self._at.error("#macro needs a name")
        parameters = []
        self._at.take(r"[\s,]+")
        while self._at.peek("$"):
            parameters.append(self._variable())
            self._at.take(r"[\s,]+")
        self._close()
        return Macro(name, tuple(parameters), self._body())

    def _macro_call(self, name: str) -> MacroCall:
        self._open(name)
        arguments: list[Expression] = []
        while not self._at.peek(")"):
            arguments.append(self._expressions.expression())
            self._at.take(r"[\s,]+")
        self._close()
        return MacroCall(name, tuple(arguments))

    def _variable(self) -> str:
        self._at.skip()
        reference = self._expressions.reference()
        if not isinstance(reference, Reference) or reference.steps:
            raise self._at.error("a $variable is missing")
        return reference.name

    def _body(self) -> Block:
        return self._block(frozenset({"end"}))[0]

    def _open(self, directive: str) -> None:
        if not self._at.take(OPENING):
            raise self._at.error(f"#{directive} needs a (")
        self._at.skip()

    def _close(self) -> None:
        self._at.skip()
        if not self._at.take(r"\)"):
            raise self._at.error("a ) is missing")
        self._at.take(REST_OF_LINE)


KNOWN: Final = frozenset({"set", "if", "foreach", "define", "macro", "break", "stop", *BRANCH_ENDS})
