"""A graph as a picture: what is invoked first stands left, what it leads to stands right of it."""

from collections.abc import Mapping
from typing import Final

from lampwork.console.html import Html, e
from lampwork.console.map.graph import Edge, Graph, Node

WIDTH: Final = 176
HEIGHT: Final = 46
ACROSS: Final = 64  # between two columns
DOWN: Final = 18  # between two rows
MARGIN: Final = 8
LONGEST_NAME: Final = 21
MOST_COLUMNS: Final = 8


def drawing(graph: Graph) -> Html:
    """The picture as SVG. It is hidden from screen readers, who get the table of the edges."""
    places = _places(graph)
    width = max((x for x, _ in places.values()), default=0) + WIDTH + MARGIN
    height = max((y for _, y in places.values()), default=0) + HEIGHT + MARGIN
    arrow = e("path", d="M0 0 L8 4 L0 8 z")
    marker = e(
        "marker",
        arrow,
        id="arrow",
        markerWidth=8,
        markerHeight=8,
        refX=8,
        refY=4,
        orient="auto",
        markerUnits="userSpaceOnUse",
    )
    pairs = {(edge.source, edge.target): edge for edge in graph.edges}
    return e(
        "svg",
        e("defs", marker),
        (_line(edge, places) for edge in pairs.values()),
        (_box(node, *places[key]) for key, node in graph.nodes.items()),
        class_="map",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        aria_hidden="true",
        focusable="false",
    )


def _places(graph: Graph) -> dict[str, tuple[int, int]]:
    """Where each node's left upper corner is."""
    columns = _columns(graph)
    rows: dict[int, int] = {}
    places = {}
    for key in sorted(graph.nodes, key=lambda each: (columns[each], _order(graph, each))):
        column = columns[key]
        row = rows.get(column, 0)
        rows[column] = row + 1
        places[key] = (
            MARGIN + column * (WIDTH + ACROSS),
            MARGIN + row * (HEIGHT + DOWN),
        )
    return places


def _columns(graph: Graph) -> Mapping[str, int]:
    """The length of the longest way to each node. A circle ends it, as does the picture's width."""
    columns = dict.fromkeys(graph.nodes, 0)
    for _ in range(MOST_COLUMNS - 1):
        moved = False
        for edge in graph.edges:
            least = min(columns[edge.source] + 1, MOST_COLUMNS - 1)
            if columns[edge.target] < least and not _leads_back(graph, edge):
                columns[edge.target] = least
                moved = True
        if not moved:
            break
    return columns


def _leads_back(graph: Graph, edge: Edge) -> bool:
    """Whether a way leads from an edge's target to its source."""
    seen, new = set[str](), {edge.target}
    while new:
        if edge.source in new:
            return True
        seen |= new
        new = {each.target for each in graph.edges if each.source in new} - seen
    return False


def _order(graph: Graph, key: str) -> int:
    """Nodes stand in the order of what leads to them, so that lines cross less."""
    order = list(graph.nodes)
    sources = [order.index(edge.source) for edge in graph.edges if edge.target == key]
    return min(sources, default=order.index(key))


def _box(node: Node, x: int, y: int) -> Html:
    name = node.name
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1]}…"
    return e(
        "g",
        e("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx=6),
        e("text", node.kind, x=x + 10, y=y + 17, class_="kind"),
        e("text", name, x=x + 10, y=y + 35),
        class_="function" if node.is_function else None,
    )


def _line(edge: Edge, places: Mapping[str, tuple[int, int]]) -> Html:
    (from_x, from_y), (to_x, to_y) = places[edge.source], places[edge.target]
    start_y, end_y = from_y + HEIGHT // 2, to_y + HEIGHT // 2
    if to_x > from_x:
        start_x, end_x, bend = from_x + WIDTH, to_x - 1, ACROSS // 2
        curve = f"C{start_x + bend} {start_y} {end_x - bend} {end_y} {end_x} {end_y}"
    else:  # back, around the right side
        start_x, end_x, bend = from_x + WIDTH, to_x + WIDTH + 1, ACROSS // 2
        curve = f"C{start_x + bend} {start_y} {end_x + bend} {end_y} {end_x} {end_y}"
    return e(
        "path",
        d=f"M{start_x} {start_y} {curve}",
        class_="uses" if edge.uses else None,
        marker_end="url(#arrow)",
    )
