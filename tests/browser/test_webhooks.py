"""A webhook that is not delivered, from the worker that sends it to the page that shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import expect

from tests.browser.chromium import sign_in
from tests.waiting import until


class Receiver(ThreadingHTTPServer):
    """Answers 410 to the first webhook, and 200 to every later one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.ids: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.ids.append(self.headers["webhook-id"])
        self.send_response(410 if len(self.server.ids) == 1 else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = Thread(target=receiver.serve_forever, args=(0.02,))
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def test_a_webhook_that_nobody_will_send_any_more_is_shown_and_sent_again(context, ada):
    with receiving() as receiver:
        body = {
            "prompt": "a kite",
            "parameters": {"width": 64, "height": 64},
            "webhook_url": receiver.url,
        }
        ada.client.post("/tasks", json=body).raise_for_status()
        disabled = {"status": "disabled"}
        until(lambda: ada.client.get("/webhooks/deliveries", params=disabled).json()["items"])

        page = sign_in(context, ada, "/account")
        panel = page.get_by_role("region", name="Webhooks that were not delivered")
        expect(panel.get_by_text(receiver.url)).to_be_visible()
        panel.get_by_role("button", name="Send again").click()

        expect(panel).to_be_hidden()
        until(lambda: len(receiver.ids) == 2)
        assert len(set(receiver.ids)) == 1
