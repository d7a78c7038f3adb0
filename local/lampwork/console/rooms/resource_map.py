from collections import defaultdict
from typing import ClassVar

from lampwork.console.asking import Ask
from lampwork.console.html import Html, e, joined, table
from lampwork.console.map.drawing import drawing
from lampwork.console.map.graph import graph_of
from lampwork.console.room import Room
from lampwork.console.subject import Subject


class ResourceMap(Room):
    """The template's resources, and what leads from one to another."""

    name: ClassVar[str] = "map"
    title: ClassVar[str] = "Map"
    group: ClassVar[str] = "Template"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        graph = graph_of(self._subject.stack())
        nodes = graph.nodes
        ways: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for edge in graph.edges:
            ways[edge.source, edge.target].append(edge.how)
        rows = [
            (
                f"{nodes[source].name}, {nodes[source].kind}",
                e("ul", (e("li", how) for how in hows)) if len(hows) > 1 else hows[0],
                f"{nodes[target].name}, {nodes[target].kind}",
            )
            for (source, target), hows in ways.items()
        ]
        everywhere = ", ".join(nodes[key].name for key in graph.everywhere)
        picture = e(
            "div",
            drawing(graph),
            class_="scrolls",
            tabindex=0,
            role="region",
            aria_label="Picture of the resources; the table below says the same",
        )
        return joined(
            [
                e(
                    "p",
                    "Events flow along the lines. A broken line: the function has a variable that"
                    " names the resource.",
                    f" Most functions name {everywhere}; no line shows that." if everywhere else "",
                    class_="lead",
                ),
                picture,
                table("What leads to what", ("From", "How", "To"), rows),
            ]
        )
