"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-foreach.html"""

import re
from dataclasses import replace
from typing import Any, Final

from lampwork.template.language.intrinsics import Resolver
from lampwork.template.source.document import LOOP, Document, check_resources
from lampwork.template.source.values import as_text

EXTENSIONS: Final = "AWS::LanguageExtensions"
NEITHER_LETTER_NOR_DIGIT: Final = re.compile(r"[^A-Za-z0-9]")


def with_loops_written_out(document: Document, resolver: Resolver) -> Document:
    """A document with each Fn::ForEach replaced by what it makes, which has the line of the loop.

    Args:
        resolver: gives parameters and mappings their values.

    Raises:
        TemplateError: a loop has the wrong form, or makes something that is not a resource.
    """
    loops = _Loops(document, resolver)
    resources: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for name, resource in document.resources.items():
        made = loops.written_out({name: resource})
        resources |= made
        lines |= dict.fromkeys(made, document.line(name))
    rest = {name: part for name, part in document.content.items() if name != "Resources"}
    content = {**loops.written_out(rest), "Resources": resources}
    result = replace(document, content=content, lines=lines)
    check_resources(result)
    return result


class _Loops:
    def __init__(self, document: Document, resolver: Resolver) -> None:
        self._document = document
        self._resolver = resolver

    def written_out(self, value: object) -> Any:
        if isinstance(value, list):
            return [self.written_out(each) for each in value]
        if not isinstance(value, dict):
            return value
        result: dict[str, Any] = {}
        for name, each in value.items():
            is_loop = name.startswith(LOOP)
            result |= self._rounds(name, each) if is_loop else {name: self.written_out(each)}
        return result

    def _rounds(self, name: str, loop: object) -> dict[str, Any]:
        """The body of a loop, once for each item."""
        if not self._document.has_transform(EXTENSIONS):
            raise self._document.error(name, f"{name} needs the Transform {EXTENSIONS}: add it.")
        match loop:
            case [str(variable), collection, {**body}]:
                result: dict[str, Any] = {}
                for item in self._items(name, collection):
                    result |= self.written_out(_with(body, variable, item))
                return result
        raise self._document.error(
            name, f"{name} takes a list of an identifier, a collection and a mapping."
        )

    def _items(self, loop: str, collection: object) -> list[str]:
        items = self._resolver.resolve(collection, of=loop)
        if not isinstance(items, list):
            raise self._document.error(loop, f"{loop} goes over a list, not {items!r}.")
        return list(map(as_text, items))


def _with(value: object, variable: str, item: str) -> Any:
    """The body of a loop for one item, which replaces `${Variable}`, `&{Variable}` and `Ref`."""
    if value == {"Ref": variable}:
        return item
    if isinstance(value, dict):
        return {
            _with(name, variable, item): _with(each, variable, item) for name, each in value.items()
        }
    if isinstance(value, list):
        return [_with(each, variable, item) for each in value]
    if isinstance(value, str):
        plain = NEITHER_LETTER_NOR_DIGIT.sub("", item)
        return value.replace(f"${{{variable}}}", item).replace(f"&{{{variable}}}", plain)
    return value
