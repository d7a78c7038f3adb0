"""The emulator's console, over a shop that has one resource of each kind."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from websockets.sync.client import connect

from tests.browser.chromium import window
from tests.browser.console import ROOMS, running_shop
from tests.browser.test_accessibility import AXE, EVERYTHING, LOOKS, ask_axe

MOST_BYTES = 150_000
NARROW: ViewportSize = {"width": 320, "height": 640}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_shop(tmp_path_factory.mktemp("console")) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with window(browser) as context:
        context.set_default_timeout(20_000)
        yield context.new_page()


def violations(page: Page) -> list[str]:
    """What axe finds on a narrow dark page, and what a wide light one adds."""
    page.evaluate(AXE)
    found = ask_axe(page, EVERYTHING)
    if page.evaluate("document.documentElement.scrollWidth") > NARROW["width"]:
        found.append("the page is wider than the screen")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    return found + ask_axe(page, LOOKS)


def act(origin: str, room: str, **fields: str) -> httpx.Response:
    """What the form of a room sends."""
    address = f"{origin}/_lampwork/console/{room}"
    return httpx.post(address, data=fields, headers={"Origin": origin}, follow_redirects=True)


def test_no_room_has_an_accessibility_violation(page: Page, origin: str):
    found = {}
    for room in ROOMS:
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size(NARROW)
        page.goto(f"{origin}/_lampwork/{room}")
        found[room] = violations(page)

    assert {room: each for room, each in found.items() if each} == {}


def test_forced_colours_are_legible(page: Page, origin: str):
    page.emulate_media(forced_colors="active")
    for room in ("", "console/map"):
        page.goto(f"{origin}/_lampwork/{room}")
        page.evaluate(AXE)
        assert ask_axe(page, LOOKS) == [], room


def test_pages_are_small_and_protected(page: Page, origin: str):
    loaded: dict[str, int] = {}
    page.on("response", lambda response: loaded.update({response.url: len(response.body())}))

    answer = page.goto(f"{origin}/_lampwork/console/map")
    page.wait_for_load_state("networkidle")

    assert answer is not None
    assert sum(loaded.values()) <= MOST_BYTES
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://rebound.example:80", "Host": "rebound.example"},
        {"X-Forwarded-For": "203.0.113.9"},
    ],
)
def test_nobody_else_may_act(origin: str, headers):
    for room in ("environments", "routes", "schedules", "sockets"):
        address = f"{origin}/_lampwork/console/{room}"
        assert httpx.post(address, data={"do": "recycle"}, headers=headers).status_code == 403


def test_the_address_without_its_slash_leads_to_the_console(origin: str):
    answer = httpx.get(f"{origin}/_lampwork", follow_redirects=True)

    assert answer.status_code == 200
    assert "Overview" in answer.text


def test_a_route_is_tried_with_the_keyboard(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_role("link", name="Routes", exact=True).press("Enter")
    page.get_by_role("link", name="Try POST /orders/{id}").press("Enter")

    page.get_by_role("button", name="Send the request").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Write a value in place of {id}")
    page.go_back()
    page.get_by_label("Path and query").fill("/orders/7?a=ä")
    page.get_by_label("Body").fill('{"size": "small"}')
    page.get_by_role("button", name="Send the request").press("Enter")

    expect(page.get_by_role("region", name="Body")).to_contain_text('"path": "/orders/7"')
    expect(page.get_by_role("region", name="Body")).to_contain_text("small")
    expect(page.get_by_text("200", exact=True)).to_be_visible()
    expect(page.get_by_label("Path and query")).to_have_value("/orders/7?a=ä")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"method": "CONNECT", "path": "/"}, "is none of"),
        ({"method": "GET", "path": "orders"}, "begin with a slash"),
        ({"method": "GET", "path": "/", "headers": "no header"}, "is no header"),
        ({"method": "GET", "path": "/", "headers": "X: ✓"}, "Latin-1"),
        ({"method": "GET", "path": ""}, "is empty"),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(origin: str, fields, reason):
    answer = act(origin, "routes", do="try", **fields)

    assert answer.status_code == 400
    assert reason in answer.text


def test_a_tried_route_cannot_reach_the_console_itself(origin: str):
    answer = act(origin, "routes", do="try", method="GET", path="/_lampwork/console/environments")

    assert "Execution environments" not in answer.text


def test_environments_show_themselves_and_are_recycled(page: Page, origin: str):
    act(origin, "environments", do="recycle")
    page.goto(f"{origin}/_lampwork/console/environments")
    httpx.get(f"{origin}/orders")

    expect(page.get_by_role("rowheader", name="Order")).to_be_visible()  # without a reload
    page.get_by_role("button", name="Pause updates").click()
    page.get_by_role("button", name="Recycle Order").click()

    expect(page.get_by_role("status")).to_have_text("Recycled the environments of Order.")
    page.reload()
    expect(page.get_by_role("status")).to_have_count(0)
    assert act(origin, "environments", do="recycle", function="Nothing").status_code == 400


def test_who_is_connected_is_shown_written_to_and_closed(page: Page, origin: str):
    with connect(f"{origin.replace('http', 'ws')}/live") as socket:
        page.goto(f"{origin}/_lampwork/console/sockets")
        page.get_by_role("link", name="Write to").click()
        page.get_by_label("Message").fill("hello from the console")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Sent to")
        assert socket.recv(10) == "hello from the console"

        page.get_by_role("button", name="Close").click()
        expect(page.get_by_role("status")).to_contain_text("Closed")
        with pytest.raises(Exception, match="1000"):
            socket.recv(10)
    expect(page.get_by_text("Nobody is connected.")).to_be_visible()
    assert act(origin, "sockets", do="send", connection="x", message="y").status_code == 400


def test_a_schedule_shows_its_next_run_and_runs_now(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/schedules")
    row = page.get_by_role("row", name="NightlyNight")
    expect(row).to_contain_text("cron(0 3 * * ? *) Europe/Vienna")
    expect(row.locator("time")).to_contain_text(" UTC")

    page.get_by_role("button", name="Run NightlyNight now").click()

    expect(page.get_by_role("status")).to_have_text("Fired NightlyNight.")


def test_the_map_and_the_gaps_come_from_the_template(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/map")
    expect(
        page.get_by_role("row", name="Parcels, SQS queue messages Pack, Function")
    ).to_be_visible()

    page.get_by_role("link", name="Not emulated").click()
    expect(page.get_by_role("row", name="Graph AWS::AppSync::GraphQLApi")).to_be_visible()
