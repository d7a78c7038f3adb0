"""The whole product as people meet it: in a browser."""

import re
import secrets
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from tests.browser.chromium import sign_in
from tests.browser.studio import (
    difference,
    expect_picture,
    record,
    recorded,
    submit,
    variety,
)
from tests.waiting import until

PASSWORD = "correct horse battery staple"


def sign_up_in(page: Page, email: str) -> None:
    page.get_by_role("button", name="Create an account").click()
    form = page.locator("#access form:visible")
    form.get_by_label("E-mail").fill(email)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Create the account").click()
    expect(form.get_by_label("Token")).to_have_value(re.compile("^ev1_"))
    form.get_by_role("button", name="Confirm").click()
    expect(form.get_by_text("Your address is confirmed.")).to_be_visible()
    form.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="A new picture")).to_be_visible()


def pass_on(route: Route) -> str:
    """Let a request through, and note what its answer shows to the page's scripts."""
    answer = route.fetch()
    route.fulfill(response=answer)
    return answer.text()


def test_a_newcomer_signs_up_and_watches_a_picture_being_painted(product, context):
    page = context.new_page()
    sockets: list[str] = []
    frames: list[str | bytes] = []

    def note_socket(socket):
        sockets.append(socket.url)
        socket.on("framereceived", lambda frame: frames.append(frame))

    page.on("websocket", note_socket)
    page.goto(product.origin)
    sign_up_in(page, f"{secrets.token_hex(6)}@example.com")
    record(page)

    card = submit(page, "a lighthouse above a stormy sea at dusk")
    picture = expect_picture(card)

    seen = recorded(page)
    progress = [value for status, value in seen if status == "processing"]
    statuses = list(dict.fromkeys(status for status, _ in seen))
    assert statuses in (["queued", "processing", "completed"], ["processing", "completed"])
    assert len(set(progress)) > 2
    assert progress == sorted(progress)
    assert len(frames) > 2
    assert {urlsplit(url).query for url in sockets} == {"after=1"}

    with page.expect_download() as download:
        card.get_by_role("link", name="Download").click()
    downloaded = download.value.path().read_bytes()
    assert download.value.suggested_filename.endswith(".png")
    # Chromium paints a decoded picture in its own time, tile by tile.
    until(lambda: difference(picture.screenshot(), downloaded) < 10)
    assert variety(picture.screenshot()) > 10

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert {cookie["name"] for cookie in context.cookies()} == {"device"}
    page.goto(f"{product.origin}/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_two_tabs_of_one_account_follow_the_same_task(context, ada):
    first = sign_in(context, ada)
    second = context.new_page()
    second.goto(ada.product.origin)
    expect(second.get_by_text("The wall is empty.")).to_be_visible()
    record(second)

    card = submit(first, "a mountain lake at night")

    expect_picture(card)
    expect_picture(second.get_by_role("article", name="a mountain lake at night"))
    assert "processing" in [status for status, _ in recorded(second)]


def test_somebody_else_cannot_see_a_task(context, ada, bob):
    task = ada.submit("a secret garden", width=96, height=64)

    page = sign_in(context, bob, f"/tasks/{task['id']}")

    expect(page.get_by_text("There is no such picture.")).to_be_visible()
    expect(page.get_by_text("a secret garden")).to_have_count(0)


def test_no_script_can_reach_a_token(product, context: BrowserContext):
    page = context.new_page()
    addresses: list[str] = []
    bodies: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.route("**/api/v1/auth/login", lambda route: bodies.append(pass_on(route)))
    page.goto(product.origin)
    sign_up_in(page, f"{secrets.token_hex(6)}@example.com")
    expect_picture(submit(page, "a small boat", size="512x512"))

    cookies = context.cookies()
    tokens = [cookie["value"] for cookie in cookies]
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert {cookie["name"] for cookie in cookies} == {"access_token", "refresh_token", "device"}
    assert all(cookie["httpOnly"] for cookie in cookies)
    assert page.evaluate("document.cookie") == ""
    assert stored == "[{},{}]"
    assert bodies
    for token in tokens:
        assert not any(token in text for text in [*addresses, *bodies, page.content()])


def test_a_card_can_be_cancelled_retried_and_deleted(context, ada):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = sign_in(context, ada)
    card = submit(page, "a slow sunrise", size="1024x1024")

    card.get_by_role("button", name="Cancel").click()

    expect(card.get_by_text("Cancelled", exact=True)).to_be_visible()
    card.get_by_role("button", name="Try again").click()
    newest = page.get_by_role("article", name="a slow sunrise").first
    expect_picture(newest)
    newest.get_by_role("button", name="Copy link").click()
    expect(newest.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{ada.product.origin}/tasks/")
    for left in (1, 0):
        card = page.get_by_role("article", name="a slow sunrise").first
        card.get_by_role("button", name="Delete", exact=True).click()
        card.get_by_role("button", name="Delete for good?").click()
        expect(page.get_by_role("article")).to_have_count(left)
    expect(page.get_by_text("The wall is empty.")).to_be_visible()
    page.goto(link)
    expect(page.get_by_text("There is no such picture.")).to_be_visible()


def test_a_late_answer_does_not_take_a_card_back(context, ada):
    page = sign_in(context, ada)
    for number in range(4):  # so that the card's own task waits behind them
        ada.submit(f"before it {number}", width=1024, height=1024)
    held = []
    page.route("**/cancel", lambda route: held.append((route, route.fetch())))
    card = submit(page, "a late sunrise", size="1024x1024")
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_text("Cancelled", exact=True)).to_be_visible()

    # The socket may have told the page before the answer is here.
    until(lambda: page.evaluate("true") and held != [])
    route, answer = held[0]
    before = answer.json() | {"status": "queued", "terminal": False, "sequence": 1}
    with page.expect_response("**/cancel"):
        route.fulfill(response=answer, json=before)
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(drawn))")

    expect(card.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(card.get_by_role("button", name="Try again")).to_be_visible()


def test_older_pictures_load_page_by_page(context, ada):
    for number in range(4):
        for each in range(4):
            task = ada.submit(f"picture {4 * number + each}", width=64, height=64)
        ada.client.get(f"/tasks/{task['id']}", params={"after": 1, "wait": 20})
        for status in ("queued", "processing"):
            while ada.client.get("/tasks", params={"status": status}).json()["items"]:
                pass
    page = sign_in(context, ada)
    expect(page.get_by_role("article")).to_have_count(12)

    page.get_by_role("button", name="Show older pictures").click()

    expect(page.get_by_role("article")).to_have_count(16)
    expect(page.get_by_role("link", name="picture 3", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Show older pictures")).to_be_hidden()


def test_a_picture_is_followed_even_when_no_socket_can_open(ada, context):
    refused: list[str] = []

    def refuse(socket: WebSocketRoute) -> None:
        refused.append(socket.url)
        socket.close(code=1008)

    context.route_web_socket("**", refuse)
    page = sign_in(context, ada)

    card = submit(page, "a paper boat", size="512x512")

    expect_picture(card)
    assert refused


def test_a_page_at_another_name_of_this_machine_is_as_live(product, ada, context):
    address = f"http://127.0.0.1:{product.port}"
    cookies = [
        {"name": name, "value": value, "url": address} for name, value in ada.cookies.items()
    ]
    context.add_cookies(cookies)
    page = context.new_page()
    frames: list[str | bytes] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame))
    )
    page.goto(address)

    expect_picture(submit(page, "a paper boat", size="512x512"))

    assert len(frames) > 2
