"""A trace as a table in which each row has a bar on one scale of time: a waterfall."""

from typing import Any

from lampwork.console.asking import address
from lampwork.console.html import Content, Html, e, link, table

Span = dict[str, Any]


def waterfall(trace: dict[str, Any], current: int | None = None) -> Html:
    """The spans of a trace. The one that the page is about is no link."""
    whole = max(trace["duration_ms"], 1.0)
    rows = [
        (
            [_indent(span["depth"]), _named(span, current)],
            f"{span['trigger']['kind']} {span['trigger']['name']}",
            badge(span),
            f"{span['offset_ms']:,.0f} ms",
            f"{span['duration_ms']:,.0f} ms",
            _bar(span, whole),
        )
        for span in trace["spans"]
    ]
    heads = ("What", "Caused by", "Status", "Begins after", "Took", "Timeline")
    return table(f"Trace {trace['trace']}", heads, rows)


def badge(entry: dict[str, Any]) -> Html:
    """How it ended, in a word."""
    return e(
        "span", entry["status"], class_=f"badge {'good' if entry['status'] == 'ok' else 'bad'}"
    )


def title_of(entry: dict[str, Any]) -> str:
    return str(entry["function"] or "message to a socket")


def _named(span: Span, current: int | None) -> Content:
    if span["id"] == current:
        return e("strong", title_of(span))
    return link(title_of(span), address("invocations", id=span["id"]))


def _indent(depth: int) -> Html | None:
    """What caused a span stands above it, further left."""
    return e("span", "\u2003" * (depth - 1) + "└ ", aria_hidden="true") if depth else None


def _bar(span: Span, whole: float) -> Html:
    begin = min(span["offset_ms"] / whole, 1) * 98
    width = max(min(span["duration_ms"] / whole, 1) * 98, 1)
    bar = e(
        "rect",
        x=f"{begin:.2f}%",
        y=3,
        width=f"{min(width, 100 - begin):.2f}%",
        height=12,
        rx=2,
        class_="bar" if span["status"] == "ok" else "bar failed",
    )
    return e("svg", bar, class_="fall", height=18, aria_hidden="true", focusable="false")
