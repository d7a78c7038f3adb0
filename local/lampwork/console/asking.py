"""What somebody asks of the console, and what it answers."""

import email
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.policy import HTTP
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from lampwork.console.html import Html
from lampwork.http.internal_paths import CONSOLE
from lampwork.http.request import Request
from lampwork.http.responses import Response

BASE: Final = CONSOLE
MOST_FIELDS: Final = 100


class Refused(Exception):
    """What was asked cannot be done; the message tells why, for whoever asked."""


@dataclass(frozen=True, slots=True)
class Done:
    """Something was done. The page at `back` says so."""

    text: str
    back: str


Answered = Html | Done | Response
"""A page's main part, what was done, or an answer as it is, such as a download."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a page of the console: the parts of its path after the room's, its query, the
    fields of its form, and the files in it."""

    request: Request
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> "Ask":
        """
        Raises:
            Refused: the form cannot be read.
        """
        query = dict(_pairs(request.query))
        if request.method != "POST":
            return cls(request, query)
        kind = request.header("content-type") or ""
        if kind.startswith("multipart/form-data"):
            form, files = _parts(kind, request.body)
            return cls(request, query, form, files)
        return cls(request, query, dict(_pairs(_text(request.body))))

    def text(self, name: str) -> str:
        """A field of the form.

        Raises:
            Refused: it is empty.
        """
        value = self.form.get(name, "")
        if not value:
            raise Refused(f"The field {name!r} is empty.")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A number of the query, from 0 to `most`; the default if it is none."""
        value = self.query.get(name, "")
        return min(int(value), most) if value.isascii() and value.isdigit() else default


def address(room: str, **query: str | int | None) -> str:
    """The address of a room's page, with the values that are not None."""
    given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    return f"{BASE}{room}" + (f"?{urlencode(given)}" if given else "")


def json_of(text: str, what: str) -> Any:
    """
    Raises:
        Refused: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{what} is not JSON: {error}") from error


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def pretty_text(text: str) -> str:
    """JSON with line breaks; any other text as it is."""
    try:
        return pretty(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refused(f"The form cannot be read: {error}") from error


def _parts(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields and the files of a form that is sent with files (RFC 7578)."""
    message = email.message_from_bytes(
        b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body, policy=HTTP
    )
    form: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if (filename := part.get_filename()) is None:
            form[name] = _text(content)
        elif filename:  # a browser sends an empty name if no file was chosen
            form.setdefault(f"{name}-name", filename)
            files[name] = content
    return form, files


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused("The form is not UTF-8.") from error
