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
        rows = [
            (
                f"{nodes[edge.source].name}, {nodes[edge.source].kind}",
                edge.how,
                f"{nodes[edge.target].name}, {nodes[edge.target].kind}",
            )
            for edge in graph.edges
        ]
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
                    class_="lead",
                ),
                picture,
                table("What leads to what", ("From", "How", "To"), rows),
            ]
        )
