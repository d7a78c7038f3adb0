"""HTML made of elements: text is escaped, whoever wrote it."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

VOID: Final = frozenset(("br", "hr", "img", "input", "link", "meta"))


class Html(str):
    """Text that is HTML already, so that it is not escaped again."""

    __slots__ = ()


Content = str | int | float | Iterable["Content"] | None
Attribute = str | int | float | None


def e(tag: str, /, *content: Content, **attributes: Attribute) -> Html:
    """An element. An underscore in an attribute's name is a hyphen, and one at its end is left out:
    `class_`, `aria_label`. An attribute of None or False is left out, one of True has no value."""
    head = tag + "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{joined(content)}</{tag}>")


def joined(content: Content) -> Html:
    """Content as HTML; None is nothing."""
    if content is None:
        return Html("")
    if isinstance(content, Html):
        return content
    if isinstance(content, str | int | float):
        return Html(escape(str(content)))
    return Html("".join(map(joined, content)))


def link(text: Content, href: str, **attributes: Attribute) -> Html:
    return e("a", text, href=href, **attributes)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Content]]) -> Html:
    """A table whose first column names the row. It scrolls sideways where the screen is narrow."""
    lines = [
        e("tr", e("th", first, scope="row"), (e("td", cell) for cell in cells))
        for first, *cells in rows
    ]
    if not lines:
        return e("p", "There is nothing here.", class_="empty")
    head = e("thead", e("tr", (e("th", each, scope="col") for each in heads)))
    whole = e("table", e("caption", caption), head, e("tbody", lines))
    # A keyboard scrolls only what it can focus.
    return e(
        "div", whole, class_="scrolls", tabindex=0, role="region", aria_label=f"{caption}, table"
    )


def pre(text: str, label: str) -> Html:
    """Text with its line breaks, which scrolls sideways."""
    return e("pre", e("code", text), tabindex=0, role="region", aria_label=label)


def details(summary: Content, *content: Content, **attributes: Attribute) -> Html:
    return e("details", e("summary", summary), *content, **attributes)


def facts(pairs: Iterable[tuple[str, Content]]) -> Html:
    """Names and values, one a line."""
    return e("dl", (e("div", e("dt", name), e("dd", value)) for name, value in pairs))


def live(name: str, *content: Content) -> Html:
    """A part of a page that the page keeps up to date by itself."""
    return e("div", *content, id=f"live-{name}", data_live="")


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escape(str(value))}"'
