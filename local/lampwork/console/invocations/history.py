"""The emulator's own API of its history, which the console asks as a program would."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from lampwork.console.asking import Refused
from lampwork.console.subject import Subject
from lampwork.http.internal_paths import INVOCATIONS, TRACES
from lampwork.http.request import Request
from lampwork.http.responses import Response

OFF: Final = "The history is off: `invocations = 0` in [tool.lampwork.history]."

Document = dict[str, Any]
"""As docs/emulator/events.md describes it."""


class HistoryClient:
    def __init__(self, subject: Subject) -> None:
        self._front = subject.front

    async def newest(self, wanted: Mapping[str, str | int]) -> Document:
        """A page of invocations, newest first."""
        given = {name: value for name, value in wanted.items() if value != ""}
        return await self._get(f"{INVOCATIONS}?{urlencode(given)}")

    async def one(self, number: int) -> Document:
        return await self._get(f"{INVOCATIONS}/{number}")

    async def trace(self, trace: str) -> Document | None:
        """The spans of a trace; None if the history has none of it."""
        try:
            return await self._get(f"{TRACES}/{quote(trace, safe='')}")
        except Refused:
            return None

    async def replay(self, number: int, event: Any) -> Document:
        """Invoke the function once more, with this event."""
        body = json.dumps({"event": event}).encode()
        return await self._get(f"{INVOCATIONS}/{number}/replay", "POST", body)

    async def _get(self, target: str, method: str = "GET", body: bytes = b"") -> Document:
        """
        Raises:
            Refused: the history has no such thing, or is off.
        """
        request = Request(
            method,
            target,
            [("Host", f"localhost:{self._front.port}"), ("Content-Type", "application/json")],
            body,
            ("127.0.0.1", 0),
            secure=False,
        )
        answer = self._front.handle(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if not isinstance(answer, Response):
            raise TypeError("the history opens no WebSocket")
        if answer.status == 404 and target.startswith(f"{INVOCATIONS}?"):
            raise Refused(OFF)
        found: Document = json.loads(answer.body)
        if answer.status >= 400:
            raise Refused(str(found.get("message")))
        return found
