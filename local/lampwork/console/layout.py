"""The frame of every page: head, navigation, messages."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from lampwork.console.asking import BASE, address
from lampwork.console.html import Html, e, joined, link
from lampwork.console.room import Room
from lampwork.http.internal_paths import PREFIX

HOME: Final = PREFIX


def page(
    title: str,
    main: Html,
    rooms: Sequence[Room],
    *,
    current: str,
    assets: str,
    note: str | None = None,
    alert: str | None = None,
) -> bytes:
    """A whole document. `note` tells what was done, `alert` why something was not."""
    head = e(
        "head",
        e("meta", charset="utf-8"),
        e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        e("meta", name="color-scheme", content="light dark"),
        e("title", f"{title} · Lampwork"),
        e("link", rel="icon", href=f"{assets}/icon.svg", type="image/svg+xml"),
        e("link", rel="stylesheet", href=f"{assets}/console.css"),
        e("script", type="module", src=f"{assets}/console.js"),
    )
    body = e(
        "body",
        link("Skip to the content", "#main", class_="skip"),
        e(
            "header",
            link([e("strong", "Lampwork"), " console"], HOME, class_="brand"),
            e("button", "Pause updates", type="button", id="pause", hidden=True),
        ),
        _navigation(rooms, current),
        e(
            "main",
            e("h1", title),
            e("p", alert, role="alert", class_="alert") if alert else None,
            e("p", note, role="status", class_="note") if note else None,
            main,
            id="main",
            tabindex=-1,
        ),
    )
    document = joined([Html("<!doctype html>"), e("html", head, body, lang="en")])
    return document.encode("utf-8", "replace")  # JSON may hold half a character


def _navigation(rooms: Sequence[Room], current: str) -> Html:
    groups = groupby(rooms, key=lambda each: each.group)
    return e(
        "nav",
        (
            [
                e("h2", group) if group else None,
                e("ul", (_entry(each, current) for each in of_group)),
            ]
            for group, of_group in groups
        ),
        aria_label="Rooms",
    )


def _entry(room: Room, current: str) -> Html:
    here = "page" if room.name == current else None
    href = address(room.name) if room.name else HOME
    return e("li", link(room.title, href, aria_current=here))


def hidden(**values: str | int | None) -> list[Html]:
    """Fields that nobody sees; an underscore at the end of a name is left out."""
    return [
        e("input", type="hidden", name=name.rstrip("_"), value=value)
        for name, value in values.items()
        if value is not None
    ]


def form(room: str, do: str, *fields: Html | None, submit: str, files: bool = False) -> Html:
    """A form whose button does this in the room."""
    return e(
        "form",
        hidden(do=do),
        fields,
        e("button", submit),
        method="post",
        action=f"{BASE}{room}",
        enctype="multipart/form-data" if files else None,
    )


def labelled(label: str, name: str, value: str = "", *, hint: str | None = None) -> Html:
    """A field of one line. Two forms on one page may have fields of one name."""
    return e(
        "label",
        e("span", label),
        e("small", hint) if hint else None,
        e("input", name=name, value=value, autocomplete="off", spellcheck="false"),
    )


def area(label: str, name: str, value: str = "", *, rows: int = 6) -> Html:
    """A field of several lines."""
    # A browser takes the first line break in it away.
    content = f"\n{value}"
    return e(
        "label",
        e("span", label),
        e("textarea", content, name=name, rows=rows, spellcheck="false", autocomplete="off"),
    )


def choice(label: str, name: str, values: Sequence[str], chosen: str) -> Html:
    options = (e("option", each, selected=each == chosen) for each in values)
    return e("label", e("span", label), e("select", *options, name=name))


def pages(*, before: Html | None = None, after: Html | None = None) -> Html | None:
    """The links to other pages of a long list."""
    if before is None and after is None:
        return None
    return e("nav", before, after, class_="pages", aria_label="Pages of the list")
