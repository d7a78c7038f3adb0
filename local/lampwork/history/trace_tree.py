"""The entries of one trace as the rows of a waterfall."""

from collections.abc import Iterator, Sequence
from typing import Any

from lampwork.history.entries import Entry
from lampwork.timestamps import iso_milliseconds


def spans_of(trace: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """As JSON: when the trace began, how long it took, and its spans, each after the one that
    caused it. A span has its `depth` below the first one, its `caused_by`, which is the id of the
    entry that caused it, and its `offset_ms` from the beginning."""
    began = min(each.started for each in entries)
    ended = max(each.started + each.duration_ms / 1000 for each in entries)
    by_span = {each.span: each for each in entries}
    parents = {each.id: by_span.get(_parent(each, trace)) for each in entries}
    spans = [
        {
            **each.summary(),
            "offset_ms": round((each.started - began) * 1000, 2),
            "depth": depth,
            "caused_by": parent.id if (parent := parents[each.id]) else None,
        }
        for each, depth in _in_order(entries, parents)
    ]
    return {
        "started": iso_milliseconds(began),
        "duration_ms": round((ended - began) * 1000, 2),
        "spans": spans,
    }


def _parent(entry: Entry, trace: str) -> str:
    return (entry.parent if entry.trace == trace else entry.links.get(trace)) or ""


def _in_order(
    entries: Sequence[Entry], parents: "dict[int, Entry | None]"
) -> Iterator[tuple[Entry, int]]:
    children: dict[int | None, list[Entry]] = {}
    for each in entries:
        parent = parents[each.id]
        known = parent is not None and parent.id != each.id
        children.setdefault(parent.id if parent and known else None, []).append(each)
    seen: set[int] = set()
    waiting = [(each, 0) for each in reversed(children.get(None, []))]
    while waiting:
        entry, depth = waiting.pop()
        if entry.id in seen:
            continue
        seen.add(entry.id)
        yield entry, depth
        waiting += [(each, depth + 1) for each in reversed(children.get(entry.id, []))]
    for entry in entries:  # whose parents lead in a circle, as headers that a client made up may
        if entry.id not in seen:
            yield entry, 0
