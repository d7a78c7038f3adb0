"""The history of invocations as JSON, under /_lampwork/api/: what the console, the command and
tests read. docs/emulator/events.md has its contract."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from lampwork.errors import FunctionNotFound, LampworkError, Throttled, TooManyEnvironments
from lampwork.front.control import local_only
from lampwork.history.entries import STATUSES, Entry
from lampwork.history.history import History
from lampwork.history.saving import as_event, as_pytest
from lampwork.history.store import ANY_FAILURE, MOST_LISTED, HistoryUnavailable, Wanted
from lampwork.history.trace_tree import spans_of
from lampwork.http.internal_paths import INVOCATIONS, TRACES
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.invocation.cause import Cause, caused_by
from lampwork.invocation.limits import MAX_EVENT
from lampwork.invocation.port import Invoker
from lampwork.json_text import parsed

JSON: Final = [("content-type", "application/json"), ("cache-control", "no-store")]
LONGEST_SEARCH: Final = 200
LARGEST_NUMBER: Final = 2**63 - 1
UNKNOWN: Final = "The history has no such invocation (any more)"
TOO_LARGE: Final = "The event was too large to be kept"
DURABLE: Final = "A durable execution cannot be sent once more; invoke the function instead"


class BadRequest(Exception):
    """The request cannot be understood. The message says why."""


class HistoryApi:
    """Answers for a history; replays go to `invoker`, so that they run the present code."""

    def __init__(self, history: History, invoker: Invoker) -> None:
        self._history = history
        self._invoker = invoker

    def serves(self, path: str) -> bool:
        return path.startswith((INVOCATIONS, TRACES))

    async def serve(self, request: Request) -> Response:
        if refused := local_only.refusal(request):
            return refused
        try:
            return await self._answer(request)
        except BadRequest as error:
            return json_message(400, str(error))
        except HistoryUnavailable as error:
            return _json({"message": str(error)}, 503)

    async def _answer(self, request: Request) -> Response:
        path, method = request.path, request.method
        if path.startswith(TRACES + "/"):
            return await self._trace(unquote(path.removeprefix(TRACES + "/")), method)
        if path == INVOCATIONS:
            return await self._all(request)
        number, _, part = path.removeprefix(INVOCATIONS + "/").partition("/")
        if not number.isdecimal() or not path.startswith(INVOCATIONS + "/"):
            return json_message(404, "Not Found")
        entry = await self._history.one(_bounded(number))
        if entry is None:
            return json_message(404, UNKNOWN)
        if part == "replay":
            return await self._replay(entry, request)
        return _one(entry, part, method)

    async def _all(self, request: Request) -> Response:
        match request.method:
            case "GET" | "HEAD":
                return await self._list(_wanted(request.query))
            case "DELETE":
                await self._history.forget_all()
                return Response(204, [])
            case _:
                return json_message(405, "Method Not Allowed")

    async def _list(self, wanted: Wanted) -> Response:
        found = await self._history.newest(wanted)
        more = len(found) == wanted.limit
        return _json(
            {
                "invocations": [each.summary() for each in found],
                "next": found[-1].id if more else None,
                "last": self._history.last,
                "functions": await self._history.functions(),
            }
        )

    async def _trace(self, trace: str, method: str) -> Response:
        if method not in ("GET", "HEAD"):
            return json_message(405, "Method Not Allowed")
        entries = await self._history.trace(trace)
        if not entries:
            return json_message(404, "The history has no such trace (any more)")
        return _json({"trace": trace, **spans_of(trace, entries)})

    async def _replay(self, entry: Entry, request: Request) -> Response:
        if request.method != "POST":
            return json_message(405, "Method Not Allowed")
        if entry.kind != "invocation":
            return json_message(409, "Only the event of a function can be sent once more")
        if entry.trigger == "durable":
            return json_message(409, DURABLE)
        given = _body(request)
        if "event" in given:
            edited = given["event"]
        elif entry.event is not None:
            edited = parsed(entry.event)
        else:
            return json_message(409, TOO_LARGE)
        event, still_masked = self._history.event_to_send(entry, edited)
        payload = _payload(event)
        if len(payload) > MAX_EVENT:
            return json_message(413, f"The event has more than {MAX_EVENT} bytes")
        try:
            answered = await self._send(entry, payload)
        except FunctionNotFound:
            return json_message(409, f"There is no function {entry.function} any more")
        except (Throttled, TooManyEnvironments) as error:
            return _json({"message": str(error)}, 429)
        except LampworkError as error:
            return _json({"message": str(error)}, 503)
        return _json({**answered, "still_masked": still_masked})

    async def _send(self, entry: Entry, payload: bytes) -> Mapping[str, Any]:
        request_id = str(uuid.uuid4())
        with caused_by(Cause(replay_of=entry.id)):
            await self._invoker.invoke(entry.target, payload, request_id=request_id)
        noted = await self._history.newest(Wanted(request_id=request_id, limit=1))
        whole = await self._history.one(noted[0].id) if noted else None
        return whole.whole() if whole else {"id": None, "request_id": request_id}


def _one(entry: Entry, part: str, method: str) -> Response:
    if method not in ("GET", "HEAD"):
        return json_message(405, "Method Not Allowed")
    match part:
        case "":
            return _json(entry.whole())
        case "event.json":
            return _file(as_event(entry), "application/json", f"event-{entry.id}.json")
        case "pytest":
            return _file(as_pytest(entry), "text/x-python", f"test_event_{entry.id}.py")
        case _:
            return json_message(404, "Not Found")


def _file(text: str | None, kind: str, name: str) -> Response:
    if text is None:
        return json_message(409, TOO_LARGE)
    headers = [
        ("content-type", f"{kind}; charset=utf-8"),
        ("content-disposition", f'attachment; filename="{name}"'),
        ("x-content-type-options", "nosniff"),
    ]
    return Response(200, headers, text.encode("utf-8", "surrogatepass"))


def _wanted(query: str) -> Wanted:
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    status = given.get("status")
    if status is not None and status not in (*STATUSES, ANY_FAILURE):
        raise BadRequest(f"status is one of {_listed((*STATUSES, ANY_FAILURE))}")
    return Wanted(
        function=given.get("function"),
        status=status,
        trigger=given.get("trigger"),
        trace=given.get("trace"),
        request_id=given.get("request_id"),
        search=(given.get("search") or "")[:LONGEST_SEARCH] or None,
        before=_number(given, "before"),
        after=_number(given, "after"),
        limit=min(max(_number(given, "limit") or 50, 1), MOST_LISTED),
    )


def _number(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal()):
        raise BadRequest(f"{name} is a whole number")
    return _bounded(value)


def _bounded(digits: str) -> int:
    """A number of any length, as one that SQLite can compare."""
    return min(int(digits[:19]), LARGEST_NUMBER) if len(digits) <= 19 else LARGEST_NUMBER


def _body(request: Request) -> Mapping[str, Any]:
    if not request.body:
        return {}
    try:
        given = parsed(request.body)
    except ValueError as error:
        raise BadRequest("The body is not JSON") from error
    if not isinstance(given, dict) or given.keys() - {"event"}:
        raise BadRequest('The body is {"event": …} or empty')
    return given


def _payload(event: Any) -> bytes:
    try:
        return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except RecursionError as error:
        raise BadRequest("The event is nested too deeply") from error


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)


def _json(answer: Mapping[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Response(status, list(JSON), body)
