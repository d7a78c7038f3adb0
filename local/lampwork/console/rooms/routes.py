import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote

from lampwork.console.asking import Ask, Refused, address, pretty_text
from lampwork.console.html import Html, e, facts, joined, link, pre, table
from lampwork.console.layout import area, choice, form, labelled
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.http.request import Request
from lampwork.http.responses import Response, StreamedResponse
from lampwork.stack.load_balancers import FunctionTarget
from lampwork.stack.model import HttpApi, RestApi, Stack

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# Set here, or without a meaning where there is no connection.
OF_THE_CONNECTION: Final = frozenset(
    ("connection", "content-length", "host", "transfer-encoding", "upgrade")
)
MOST_SHOWN: Final = 256 * 1024
PLACEHOLDER: Final = re.compile(r"\{[^}]*\}")
NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
SAFE_IN_TARGET: Final = "/?#[]@!$&'()*+,;=:%-._~"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a function: `host` is "" for the emulator's own address."""

    method: str
    path: str
    host: str
    leads_to: str
    needs: str = ""


class Routes(Room):
    """The routes, with a form to try each."""

    name: ClassVar[str] = "routes"
    title: ClassVar[str] = "Routes"
    group: ClassVar[str] = "Running"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        if "path" in ask.query:
            return self._form(ask.query)
        rows = [
            (
                e("code", f"{way.method} {way.path}"),
                e("code", way.host) if way.host else "—",
                way.leads_to,
                way.needs or "—",
                link("Try", _form_of(way), aria_label=f"Try {way.method} {way.path}"),
            )
            for way in ways(self._subject.stack())
        ]
        heads = ("Route", "Host", "Leads to", "Asks for", "Action")
        sockets = [
            (f"/{api.stage}", e("code", key), route.function)
            for api in self._subject.stack().websocket_apis
            for key, route in api.routes.items()
        ]
        return joined(
            [
                table("Routes and addresses of functions", heads, rows),
                (
                    table("Routes of WebSocket APIs", ("Path", "Route", "Function"), sockets)
                    if sockets
                    else None
                ),
            ]
        )

    async def act(self, ask: Ask) -> Html:
        request = _request(ask, self._subject.front.port)
        began = time.perf_counter()
        answer = await self._subject.front.answer(request)
        if not isinstance(answer, Response):
            raise Refused("This opens a WebSocket, for which there is no form.")
        body = answer.body
        if isinstance(answer, StreamedResponse):
            body = await _gathered(answer)
        took = (time.perf_counter() - began) * 1000
        return joined([_shown(answer, body, took), self._form(ask.form)])

    def _form(self, given: Mapping[str, str]) -> Html:
        method = given.get("method", "GET")
        return e(
            "section",
            e("h2", "Try a route"),
            form(
                self.name,
                "try",
                choice("Method", "method", METHODS, method if method in METHODS else "GET"),
                labelled("Path and query", "path", given.get("path", "/")),
                labelled("Host", "host", given.get("host", "")),
                area("Headers, one a line", "headers", given.get("headers", ""), rows=3),
                area("Body", "body", given.get("body", ""), rows=6),
                submit="Send the request",
            ),
            e("p", link("All routes", address(self.name))),
        )


def ways(stack: Stack) -> Iterator[Way]:
    """The ways to functions that plain requests can take."""
    several = len({api.api_id for api in stack.routed_apis}) > 1
    for api in stack.routed_apis:
        host = f"{api.api_id}.execute-api.localhost" if several else ""
        yield from _of_api(api, host)
    for url in stack.function_urls:
        needs = "a signature" if url.authorizer else ""
        yield Way("ANY", "/", f"{url.url_id}.lambda-url.localhost", url.function, needs)
    for listener in stack.load_balancers:
        for rule in listener.rules:
            if isinstance(rule.action, FunctionTarget):
                path = rule.key if rule.key.startswith("/") else "/"
                yield Way(
                    "ANY", path, f"{listener.listener_id}.elb.localhost", rule.action.function
                )


def _of_api(api: HttpApi | RestApi, host: str) -> Iterator[Way]:
    stage = "" if api.stage == "$default" else f"/{api.stage}"
    for route in api.routes:
        path = stage + (route.path if route.path != "$default" else "/")
        needs = [
            *(["an authorizer's consent"] if route.authorizer else []),
            *(["an API key"] if route.needs_api_key else []),
        ]
        leads_to = route.function or "a service or an integration"
        yield Way(route.method, path or "/", host, leads_to, " and ".join(needs))


def _form_of(way: Way) -> str:
    method = "GET" if way.method == "ANY" else way.method
    return address("routes", method=method, path=way.path, host=way.host or None)


def _request(ask: Ask, port: int) -> Request:
    """
    Raises:
        Refused: a part of it is no part of a request.
    """
    method = ask.text("method")
    if method not in METHODS:
        raise Refused(f"{method!r} is none of {', '.join(METHODS)}.")
    target = quote(ask.text("path"), safe=SAFE_IN_TARGET + "{}")
    if not target.startswith("/"):
        raise Refused("The path must begin with a slash.")
    if left := PLACEHOLDER.search(target.partition("?")[0]):
        raise Refused(f"Write a value in place of {left[0]} in the path.")
    host = ask.form.get("host") or f"localhost:{port}"
    body = ask.form.get("body", "").replace("\r\n", "\n").encode()
    headers = [("Host", host), ("User-Agent", "lampwork-console"), *_headers(ask)]
    if body:
        headers.append(("Content-Length", str(len(body))))
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
    try:
        for name, value in headers:
            f"{name}{value}".encode("latin-1")
    except UnicodeEncodeError as error:
        raise Refused("A header may hold Latin-1 only.") from error
    return Request(method, target, headers, body, ("127.0.0.1", 0), secure=False)


def _headers(ask: Ask) -> Iterator[tuple[str, str]]:
    for line in ask.form.get("headers", "").splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or NAME.fullmatch(name.strip()) is None:
            raise Refused(f"{line!r} is no header: write Name: value.")
        if name.strip().lower() not in OF_THE_CONNECTION:
            yield name.strip(), value.strip()


async def _gathered(answer: StreamedResponse) -> bytes:
    body = bytearray()
    try:
        async for piece in answer.pieces:
            body += piece
            if len(body) > MOST_SHOWN:
                break
    finally:
        await answer.pieces.aclose()
    return bytes(body)


def _shown(answer: Response, body: bytes, took: float) -> Html:
    kind = "good" if answer.status < 400 else "bad"
    text = body[:MOST_SHOWN].decode("utf-8", "replace")
    more = f", the first {MOST_SHOWN // 1024} KiB" if len(body) > MOST_SHOWN else ""
    return e(
        "section",
        e("h2", "Answer"),
        facts(
            (
                ("Status", e("span", answer.status, class_=f"badge {kind}")),
                ("Took", f"{took:,.0f} ms"),
                ("Size", f"{len(body):,} bytes{more}"),
            )
        ),
        pre("\n".join(f"{name}: {value}" for name, value in answer.headers), "Headers"),
        pre(pretty_text(text), "Body") if text else e("p", "No body.", class_="empty"),
    )
