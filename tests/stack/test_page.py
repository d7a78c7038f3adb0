"""The web page through nginx, as people meet it."""

import secrets

import pytest

from local.stack import Stack
from tests.browser.chromium import running_browser, window
from tests.browser.studio import expect_picture, submit, variety
from tests.browser.test_journey import sign_up_in

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_newcomer_signs_up_and_watches_a_picture_through_nginx(stack: Stack, host):
    origin = stack.origin.replace("localhost", host)
    with running_browser() as browser, window(browser) as context:
        page = context.new_page()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(origin)
        sign_up_in(page, f"{secrets.token_hex(6)}@example.com")

        picture = expect_picture(submit(page, "a lighthouse above a stormy sea at dusk"))

        assert variety(picture.screenshot()) > 10
        assert sockets
        assert all(url.startswith(origin.replace("http", "ws", 1)) for url in sockets)
