"""The browser client of docs/tasks.md, as it stands there."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute
from playwright.sync_api import Error as BrowserError

from tests.browser.chromium import sign_in
from tests.conftest import ROOT
from tests.e2e.product import Person

WATCH = """async (taskUrl) => {
  const { watch } = await import("/documented.js");
  const seen = [];
  await watch(taskUrl, (state) => seen.push(state));
  return seen;
}"""


@pytest.fixture
def page(context: BrowserContext, ada: Person) -> Page:
    """A page of ours that can import the client."""
    _, _, rest = (ROOT / "docs" / "tasks.md").read_text().partition("```js\n")
    client, _, _ = rest.partition("```")
    context.route(
        "**/documented.js", lambda route: route.fulfill(body=client, content_type="text/javascript")
    )
    return sign_in(context, ada, "/status")


def watch(page: Page, task: dict[str, Any]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = page.evaluate(WATCH, f"/api/v1/tasks/{task['id']}")
    return seen


def test_it_sees_every_state_once_although_its_socket_breaks(page, ada):
    sockets: list[WebSocketRoute] = []

    def break_the_first(socket: WebSocketRoute) -> None:
        """Break the socket at its third frame, which is lost."""
        sockets.append(socket)
        frames = iter((True, True, False)) if len(sockets) == 1 else None
        server = socket.connect_to_server()

        def forward(message: str | bytes) -> None:
            if frames is None or next(frames, False):
                socket.send(message)
            else:
                socket.close(code=4999)

        server.on_message(forward)

    page.route_web_socket("**/ws/tasks/**", break_the_first)
    task = ada.submit("a bridge of two arches", width=768, height=512)

    seen = watch(page, task)

    assert [state["sequence"] for state in seen] == list(range(1, seen[-1]["sequence"] + 1))
    assert seen[-1]["status"] == "completed"
    assert [socket.url.partition("&")[2] for socket in sockets] == ["after=0", "after=2"]


def test_it_gives_up_when_it_is_refused(page, bob):
    task = bob.submit("a locked room", width=64, height=64)

    with pytest.raises(BrowserError, match="no such task"):
        watch(page, task)
