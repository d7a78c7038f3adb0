from collections.abc import Iterator
from typing import ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address
from lampwork.console.html import Html, e, joined, link, live, table
from lampwork.console.layout import area, form, hidden, labelled, pages
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.front.websocket.open_socket import MAX_MESSAGE, NORMAL
from lampwork.front.websocket.websocket_api import OpenConnection

AT_ONCE: Final = 50


class Sockets(Room):
    """Who is connected to WebSocket APIs; messages to them."""

    name: ClassVar[str] = "sockets"
    title: ClassVar[str] = "Sockets"
    group: ClassVar[str] = "Running"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        first = ask.number("first", 0, 10**6)
        found = list(self._connections())
        shown = [_row(api, each) for api, each in found[first : first + AT_ONCE]]
        heads = ("Connection", "API", "Connected", "Last active", "From", "Action")
        listed = (
            table(f"{len(found)} open sockets", heads, shown)
            if shown
            else e("p", "Nobody is connected.", class_="empty")
        )
        later = first + AT_ONCE
        before = max(0, first - AT_ONCE)
        return joined(
            [
                live(
                    "sockets",
                    listed,
                    pages(
                        before=link("Before", address(self.name, first=before)) if first else None,
                        after=(
                            link("Further", address(self.name, first=later))
                            if later < len(found)
                            else None
                        ),
                    ),
                ),
                e(
                    "section",
                    e("h2", "Send a message"),
                    form(
                        self.name,
                        "send",
                        labelled("Connection", "connection", ask.query.get("to", "")),
                        area("Message", "message", rows=4),
                        submit="Send",
                    ),
                ),
            ]
        )

    async def act(self, ask: Ask) -> Done:
        name = ask.text("connection").strip()
        found = (each for _, each in self._connections() if each.about.id == name)
        if (connection := next(found, None)) is None:
            raise Refused(f"Nobody is connected as {name!r}.")
        match ask.form.get("do"):
            case "send":
                message = ask.text("message")
                if len(message.encode()) > MAX_MESSAGE:
                    raise Refused(f"A message may have {MAX_MESSAGE // 1024} KiB.")
                connection.send(message)
                return Done(f"Sent to {name}.", address(self.name, to=name))
            case "close":
                connection.socket.close(NORMAL)
                return Done(f"Closed {name}.", address(self.name))
        raise Refused("There is no such action.")

    def _connections(self) -> Iterator[tuple[str, OpenConnection]]:
        for gateway in self._subject.front.sockets:
            for each in list(gateway.connections.values()):
                yield gateway.api.logical_id, each


def _row(api: str, connection: OpenConnection) -> tuple[Html | str, ...]:
    about = connection.about
    return (
        e("code", about.id),
        api,
        about.connected_at.iso,
        connection.last_active_at.iso,
        about.source_ip,
        joined(
            [
                link("Write", address("sockets", to=about.id), aria_label=f"Write to {about.id}"),
                e(
                    "form",
                    hidden(do="close", connection=about.id),
                    e("button", "Close", aria_label=f"Close {about.id}"),
                    method="post",
                    action=address("sockets"),
                ),
            ]
        ),
    )
