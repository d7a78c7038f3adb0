from collections import defaultdict
from typing import ClassVar

from lampwork.console.asking import Ask, address
from lampwork.console.html import Html, e, facts, joined, link, table
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.stack import entry_points


class Home(Room):
    """The functions, and what invokes each."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = "Overview"
    group: ClassVar[str] = ""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        stack = self._subject.stack()
        invoked: defaultdict[str, list[str]] = defaultdict(list)
        rows = entry_points.listed(stack, self._subject.sources, self._subject.intervals())
        for kind, what, function in rows:
            invoked[function].append(f"{kind} {what}".strip())
        functions = stack.functions.values()
        missed = [each for each in stack.ignored if not each.harmless]
        return joined(
            [
                facts(
                    (
                        ("Functions", len(functions)),
                        ("Routes", sum(len(api.routes) for api in stack.routed_apis)),
                        ("WebSocket APIs", len(stack.websocket_apis)),
                        ("Other resources", len(stack.resources)),
                        ("Not emulated", link(len(missed), address("gaps"))),
                    )
                ),
                table(
                    "Functions",
                    ("Function", "Invoked by", "Handler", "Runtime", "Memory", "Time limit"),
                    (
                        (
                            each.logical_id,
                            e("ul", (e("li", entry) for entry in invoked[each.logical_id])),
                            e("code", each.handler),
                            each.runtime,
                            f"{each.memory_mb} MB",
                            f"{each.timeout_seconds:g} s",
                        )
                        for each in functions
                    ),
                ),
            ]
        )
