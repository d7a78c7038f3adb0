from collections.abc import Iterable
from typing import ClassVar

from lampwork.console.asking import Ask
from lampwork.console.html import Html, e, joined, table
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.stack.model import Ignored

HEADS = ("Resource", "What", "Why", "Where")


class Gaps(Room):
    """What of the template is not emulated."""

    name: ClassVar[str] = "gaps"
    title: ClassVar[str] = "Not emulated"
    group: ClassVar[str] = "Template"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        stack = self._subject.stack()
        missed = [each for each in stack.ignored if not each.harmless]
        harmless = [each for each in stack.ignored if each.harmless]
        return joined(
            [
                (
                    table("Parts of the template that do not run here", HEADS, _rows(missed))
                    if missed
                    else e("p", "All parts of the template run here.", class_="lead")
                ),
                table("Without effect here", HEADS, _rows(harmless)) if harmless else None,
                (
                    e("section", e("h2", "Warnings"), e("ul", (e("li", w) for w in stack.warnings)))
                    if stack.warnings
                    else None
                ),
            ]
        )


def _rows(parts: Iterable[Ignored]) -> Iterable[tuple[str, str, str, str]]:
    for each in parts:
        why = each.reason or "This type of resource is not emulated."
        yield each.logical_id, each.type, why, f"{each.template.name}, line {each.line}"
