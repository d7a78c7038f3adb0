from typing import Any, ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address, json_of, pretty
from lampwork.console.html import Html, details, e, facts, joined, link, live, pre, table
from lampwork.console.invocations.history import Document, HistoryClient
from lampwork.console.invocations.waterfall import badge, title_of, waterfall
from lampwork.console.layout import area, choice, form, hidden, labelled, pages
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.http.internal_paths import INVOCATIONS

AT_ONCE: Final = 50
ANY: Final = "any"
STATUSES: Final = (ANY, "failing", "ok", "failed", "timeout", "partial", "throttled")
LARGEST_NUMBER: Final = 2**53


class Invocations(Room):
    """What functions were invoked with and what came of it, each with its trace; any can be sent
    once more."""

    name: ClassVar[str] = "invocations"
    title: ClassVar[str] = "Invocations"
    group: ClassVar[str] = "Running"

    def __init__(self, subject: Subject) -> None:
        self._history = HistoryClient(subject)

    async def show(self, ask: Ask) -> Html:
        if "id" in ask.query:
            return await self._one(ask.number("id", 0, LARGEST_NUMBER))
        return await self._list(ask)

    async def act(self, ask: Ask) -> Done:
        if ask.form.get("do") != "replay" or not ask.text("id").isdecimal():
            raise Refused("There is no such action.")
        event = json_of(ask.text("event"), "The event")
        answer = await self._history.replay(int(ask.text("id")[:16]), event)
        if answer.get("id") is None:
            return Done("Sent once more.", address(self.name))
        said = f"Sent once more: {answer['status']}."
        if masked := answer.get("still_masked"):
            said += f" These secrets are not known any more, so write them: {', '.join(masked)}."
        return Done(said, address(self.name, id=answer["id"]))

    async def _list(self, ask: Ask) -> Html:
        function, status = ask.query.get("function", ANY), ask.query.get("status", ANY)
        status = status if status in STATUSES else ANY
        search = ask.query.get("search", "")
        wanted: dict[str, str | int] = {
            "function": "" if function == ANY else function,
            "status": "" if status == ANY else status,
            "search": search,
            "before": ask.number("before", 0, LARGEST_NUMBER) or "",
            "limit": AT_ONCE,
        }
        found = await self._history.newest(wanted)
        here = {name: wanted[name] or None for name in ("function", "status", "search")}
        further = found["next"]
        return joined(
            [
                _filter(found["functions"], function, status, search),
                live(
                    "invocations",
                    (
                        table(
                            "Invocations, the newest first",
                            (
                                "What",
                                "Caused by",
                                "Status",
                                "Started (UTC)",
                                "Took",
                                "Cold",
                                "Memory",
                            ),
                            map(_row, found["invocations"]),
                        )
                        if found["invocations"]
                        else e("p", "Nothing was invoked, or nothing is like that.", class_="empty")
                    ),
                    pages(
                        before=(
                            link("The newest", address(self.name, **here))
                            if wanted["before"]
                            else None
                        ),
                        after=(
                            link("Older", address(self.name, **here, before=further))
                            if further
                            else None
                        ),
                    ),
                ),
            ]
        )

    async def _one(self, number: int) -> Html:
        entry = await self._history.one(number)
        trace = await self._history.trace(entry["trace"]) if entry["trace"] else None
        return joined(
            [
                e("h2", f"{title_of(entry)}, number {entry['id']}"),
                facts(_facts(entry)),
                e("p", entry["error"], class_="alert") if entry["error"] else None,
                _part("Traceback", "\n".join(entry["stack"])),
                live("trace", waterfall(trace, entry["id"])) if trace else None,
                _part("Log", entry["log"].strip("\n")),
                _part("Answer", _json(entry["answer"])),
                self._event(entry),
                e("p", link("All invocations", address(self.name))),
            ]
        )

    def _event(self, entry: Document) -> Html:
        own = f"{INVOCATIONS}/{entry['id']}"
        event = _json(entry["event"])
        if not event:
            return e("p", "Its event was too large to be kept.", class_="empty")
        masked = entry["masked"]
        return e(
            "section",
            e("h2", "Event"),
            pre(event, "Event"),
            e("p", f"Secrets are hidden in {', '.join(masked)}.") if masked else None,
            (
                [
                    e(
                        "p",
                        link("Save as event.json", f"{own}/event.json"),
                        " · ",
                        link("Save as a pytest", f"{own}/pytest"),
                    ),
                    details(
                        "Send once more…",
                        e(
                            "p",
                            "The function's present code gets this event. Change it first, if you"
                            " like; hidden secrets are put back.",
                        ),
                        form(
                            self.name,
                            "replay",
                            *hidden(id=entry["id"]),
                            area("Event to send", "event", event, rows=14),
                            submit="Send once more",
                        ),
                        class_="card",
                    ),
                ]
                if entry["kind"] == "invocation"
                else None
            ),
        )


def _filter(functions: list[str], function: str, status: str, search: str) -> Html:
    return e(
        "form",
        choice("Function", "function", [ANY, *functions], function),
        choice("Status", "status", STATUSES, status),
        labelled("Search", "search", search),
        e("button", "Filter"),
        method="get",
        action=address("invocations"),
        class_="inline",
        role="search",
    )


def _row(entry: dict[str, Any]) -> tuple[Html | str, ...]:
    caused = f"{entry['trigger']['kind']} {entry['trigger']['name']}"
    again = f", again after {entry['replay_of']}" if entry["replay_of"] else ""
    status = entry["http_status"]
    return (
        link(f"{title_of(entry)} {entry['id']}", address("invocations", id=entry["id"])),
        caused + again,
        joined([badge(entry), f" {status}" if status else None]),
        e("time", entry["started"].strip("Z").replace("T", " "), datetime=entry["started"]),
        e("data", f"{entry['duration_ms']:,.0f} ms", value=entry["duration_ms"]),
        e("data", f"{entry['init_ms']:,.0f} ms", value=entry["init_ms"]) if entry["cold"] else "—",
        f"{entry['memory_mb']} MB" if entry["memory_mb"] else "—",
    )


def _facts(entry: Document) -> list[tuple[str, Html | str]]:
    found: list[tuple[str, Html | str]] = [
        ("Status", badge(entry)),
        ("Caused by", f"{entry['trigger']['kind']} {entry['trigger']['name']}"),
        ("Started", entry["started"]),
        ("Took", f"{entry['duration_ms']:,.1f} ms"),
        ("Waited", f"{entry['wait_ms']:,.1f} ms"),
    ]
    if entry["http_status"]:
        found.append(("Answered", str(entry["http_status"])))
    if entry["cold"]:
        found.append(("Cold start", f"{entry['init_ms']:,.0f} ms"))
    if entry["memory_mb"]:
        found.append(("Memory", f"{entry['memory_mb']} MB"))
    if entry["request_id"]:
        found.append(("Request", e("code", entry["request_id"])))
    if again := entry["replay_of"]:
        found.append(("Again after", link(again, address("invocations", id=again))))
    return found


def _part(name: str, text: str) -> Html | None:
    return e("section", e("h2", name), pre(text, name)) if text else None


def _json(value: Any) -> str:
    return "" if value is None else pretty(value)
