"""The console: pages that show what runs, and forms that act on it."""

import asyncio
import logging
from collections import OrderedDict
from hashlib import sha256
from importlib.resources import files
from itertools import count
from typing import Final

from lampwork.console import layout
from lampwork.console.asking import BASE, Answered, Ask, Done, Refused
from lampwork.console.guard import refusal
from lampwork.console.html import e
from lampwork.console.room import Room
from lampwork.console.rooms.registry import rooms_of
from lampwork.console.subject import Subject
from lampwork.http.internal_paths import BARE
from lampwork.http.request import Request
from lampwork.http.responses import Response

logger = logging.getLogger(__name__)

MEDIA_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# The address of an asset holds the digest of all: what it names never changes.
FOREVER: Final = "public, max-age=31536000, immutable"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
PROTECTION: Final = [
    ("content-security-policy", POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    # Not "no-referrer": with it, browsers send the Origin "null" with a form of our own.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
]
SLOWEST_SECONDS: Final = 60
MOST_NOTES: Final = 50


class Console:
    """Answers requests for the console's pages and assets."""

    def __init__(self, subject: Subject) -> None:
        self._rooms = rooms_of(subject)
        self._by_name = {room.name: room for room in self._rooms}
        self._assets = {name: _asset(name) for name in MEDIA_TYPES}
        digest = sha256(b"".join(self._assets.values())).hexdigest()[:12]
        self._folder = f"{BASE}assets/{digest}"
        self._notes: OrderedDict[str, str] = OrderedDict()
        self._numbers = count(1)

    async def serve(self, request: Request) -> Response:
        if why := refusal(request):
            return Response(403, _headers("text/plain; charset=utf-8"), f"{why}\n".encode())
        if request.path == BARE:
            return Response(308, [*_headers("text/plain"), ("location", layout.HOME)])
        if request.path.startswith(f"{BASE}assets/"):
            return self._asset(request)
        room = self._by_name.get(request.path.removeprefix(BASE).removeprefix(layout.HOME))
        if room is None:
            return self._failed(request, 404, "There is no such page.")
        if request.method not in ("GET", "HEAD", "POST"):
            return self._failed(request, 405, "A page takes GET and POST.")
        try:
            async with asyncio.timeout(SLOWEST_SECONDS):
                ask = await asyncio.to_thread(Ask.of, request)  # a file takes a while
                answer = await (room.act(ask) if request.method == "POST" else room.show(ask))
        except Refused as error:
            return self._failed(request, 400, str(error), room)
        except TimeoutError:
            return self._failed(request, 504, f"No answer within {SLOWEST_SECONDS} s.", room)
        return self._answer(ask, room, answer)

    def _answer(self, ask: Ask, room: Room, answer: Answered) -> Response:
        if isinstance(answer, Response):
            return Response(answer.status, [*PROTECTION, *answer.headers], answer.body)
        if isinstance(answer, Done):
            return self._redirect(answer)
        note = self._notes.pop(ask.query.get("note", ""), None)
        body = layout.page(
            room.title, answer, self._rooms, current=room.name, assets=self._folder, note=note
        )
        return Response(200, _headers("text/html; charset=utf-8"), body)

    def _redirect(self, done: Done) -> Response:
        """To a page that a reload does not send again."""
        number = str(next(self._numbers))
        self._notes[number] = done.text
        while len(self._notes) > MOST_NOTES:
            self._notes.popitem(last=False)
        mark = "&" if "?" in done.back else "?"
        headers = [*_headers("text/plain"), ("location", f"{done.back}{mark}note={number}")]
        return Response(303, headers)

    def _failed(
        self, request: Request, status: int, why: str, room: Room | None = None
    ) -> Response:
        """A page that says why. The way back keeps what was typed."""
        body = layout.page(
            room.title if room else "Not found",
            e("p", "Go back to change what you asked for."),
            self._rooms,
            current=room.name if room else "none",
            assets=self._folder,
            alert=why,
        )
        logger.debug("the console refuses", extra={"path": request.path, "reason": why})
        return Response(status, _headers("text/html; charset=utf-8"), body)

    def _asset(self, request: Request) -> Response:
        folder, _, name = request.path.rpartition("/")
        if name not in self._assets:
            return self._failed(request, 404, "There is no such file.")
        headers = [
            *PROTECTION,
            ("content-type", MEDIA_TYPES[name]),
            ("cache-control", FOREVER if folder == self._folder else "no-cache"),
        ]
        return Response(200, headers, self._assets[name])


def _headers(media_type: str) -> list[tuple[str, str]]:
    return [*PROTECTION, ("content-type", media_type), ("cache-control", "no-store")]


def _asset(name: str) -> bytes:
    return (files("lampwork.console") / "assets" / name).read_bytes()
