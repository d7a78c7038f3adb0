"""The emulator's console, over a shop that has one resource of each kind."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from websockets.sync.client import connect

from tests.browser.chromium import window
from tests.browser.console import NEWS, ROOMS, Shop, act, client, fill, running_shop
from tests.browser.test_accessibility import AXE, EVERYTHING, LOOKS, ask_axe

MOST_BYTES = 150_000
NARROW: ViewportSize = {"width": 320, "height": 640}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_shop(tmp_path_factory.mktemp("console")) as started:
        fill(started.origin)
        yield started


@pytest.fixture
def origin(shop: Shop) -> str:
    return shop.origin


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with window(browser) as context:
        context.set_default_timeout(60_000)
        yield context.new_page()


def violations(page: Page, part: str) -> list[str]:
    """What axe finds in a part of the page, and a page that is too wide."""
    page.evaluate(AXE)
    answer = page.evaluate("([part, options]) => axe.run(part, options)", [part, EVERYTHING])
    found = [f"{each['id']}: {n['html']}" for each in answer["violations"] for n in each["nodes"]]
    if page.evaluate("document.documentElement.scrollWidth") > NARROW["width"]:
        found.append("the page is wider than the screen")
    return found


def test_no_room_has_an_accessibility_violation_on_a_narrow_screen_in_the_dark(
    page: Page, origin: str
):
    found = {}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(NARROW)
    for room in ROOMS:
        page.goto(f"{origin}/_lampwork/{room}")
        found[room] = violations(page, "main" if room else "html")  # all have one frame

    assert {room: each for room, each in found.items() if each} == {}


@pytest.mark.parametrize("room", ["console/map", "console/queues?queue=lost-parcels"])
def test_a_wide_light_screen_and_forced_colours_are_legible(page: Page, origin: str, room):
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    page.goto(f"{origin}/_lampwork/{room}")
    page.evaluate(AXE)
    assert ask_axe(page, LOOKS) == []

    page.emulate_media(forced_colors="active")
    assert ask_axe(page, LOOKS) == []


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
    for room in ("environments", "queues", "parameters", "tables", "buckets", "sockets"):
        address = f"{origin}/_lampwork/console/{room}"
        assert client.post(address, data={"do": "recycle"}, headers=headers).status_code == 403


def test_the_address_without_its_slash_leads_to_the_console(origin: str):
    answer = client.get(f"{origin}/_lampwork", follow_redirects=True)

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
    client.get(f"{origin}/orders")

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

    expect(page.get_by_role("status")).to_have_text(
        "Fired NightlyNight. It failed: ValueError: no night shift yet"
    )


def test_the_map_and_the_gaps_come_from_the_template(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/map")
    expect(
        page.get_by_role("row", name="Parcels, SQS queue messages Pack, Function")
    ).to_be_visible()

    page.get_by_role("link", name="Not emulated").click()
    expect(page.get_by_role("row", name="Graph AWS::AppSync::GraphQLApi")).to_be_visible()


def test_a_message_is_peeked_at_and_stays_as_it_is(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/queues?queue=notes")
    expect(page.get_by_text("No message is in it.")).to_be_visible()

    page.get_by_label("Body").fill('{"parcel": "<b>8</b>"}')
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Sent a message to notes.")
    page.get_by_text("waiting, sent").click()
    expect(page.get_by_role("region", name="Body of")).to_contain_text('"parcel": "<b>8</b>"')
    page.reload()
    expect(page.get_by_text("received 0 times")).to_be_visible()

    page.get_by_text("Purge…").click()
    page.get_by_role("button", name="Purge notes").click()
    expect(page.get_by_text("No message is in it.")).to_be_visible()


def test_dead_letters_are_redriven(origin: str):
    for _ in range(2):
        act(origin, "queues", do="send", queue="lost-parcels", body="again")

    answer = act(origin, "queues", do="redrive", queue="lost-parcels")

    assert "went back to where they came from" in answer.text


@pytest.mark.parametrize(
    ("room", "fields", "reason"),
    [
        ("queues", {"do": "send", "queue": "nothing", "body": "x"}, "does not exist"),
        ("queues", {"do": "send", "queue": "parcels", "body": ""}, "is empty"),
        ("queues", {"do": "burn", "queue": "parcels"}, "no such action"),
        ("topics", {"do": "publish", "topic": f"{NEWS}s", "message": "x"}, "NotFound"),
        (
            "topics",
            {"do": "put", "bus": "shop-bus", "source": "s", "detail-type": "d", "detail": "{"},
            "not JSON",
        ),
        ("tables", {"do": "put", "table": "orders", "item": "[]"}, "is no object"),
        (
            "tables",
            {"do": "put", "table": "orders", "item": '{"id": {"S": 7}}'},
            "validation failed",
        ),
        ("tables", {"do": "put", "table": "orders", "item": '{"id": {"B": "!"}}'}, "base64"),
        ("tables", {"do": "put", "table": "orders", "item": "[" * 5000}, "is not JSON"),
        (
            "tables",
            {"do": "put", "table": "orders", "item": '{"id": {"S": "\\ud800"}}'},
            "fails at this",
        ),
        ("buckets", {"do": "upload", "bucket": "shop-labels"}, "Choose a file"),
        ("buckets", {"do": "put", "bucket": "nothing", "key": "k"}, "NoSuchBucket"),
        ("parameters", {"do": "show-secret", "name": "nothing"}, "ResourceNotFound"),
    ],
)
def test_what_aws_refuses_is_said(origin: str, room, fields, reason):
    answer = act(origin, room, **fields)

    assert answer.status_code == 400
    assert reason in answer.text


def test_topics_and_buses_take_what_is_published(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/topics?topic={NEWS}")
    page.get_by_label("Message").fill("the shop is open")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("status")).to_have_text("Published to shop-news.")

    page.get_by_role("link", name="All topics and buses").click()
    page.get_by_role("link", name="shop-bus").click()
    expect(page.get_by_role("row", name="local-ShipPacked")).to_contain_text('"shop"')
    page.get_by_role("button", name="Put").click()
    expect(page.get_by_role("status")).to_have_text("Put an event on shop-bus.")


def test_an_item_is_made_edited_downloaded_and_deleted(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/tables?table=orders")
    page.get_by_text("New item…").click()
    page.get_by_label("Item, in DynamoDB's JSON").fill('{"id": {"S": "8"}, "raw": {"B": "AAE="}}')
    page.get_by_role("button", name="Save the new item").click()
    page.get_by_role("link", name="Edit the item 8").click()
    field = page.get_by_label("Item, in DynamoDB's JSON")
    field.fill(field.input_value().replace("AAE=", "AAI="))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Saved the item.")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download the table").click()
    lines = downloading.value.path().read_text().splitlines()
    assert '{"id": {"S": "8"}, "raw": {"B": "AAI="}}' in lines

    page.get_by_role("link", name="Edit the item 8").click()
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete the item").click()
    expect(page.get_by_role("link", name="Edit the item 8")).to_have_count(0)


def test_long_lists_are_paged(page: Page, origin: str):
    for number in range(30):
        act(origin, "tables", do="put", table="orders", item=f'{{"id": {{"S": "n{number}"}}}}')
    page.goto(f"{origin}/_lampwork/console/tables?table=orders")
    expect(page.get_by_role("link", name="Edit the item")).to_have_count(25)

    page.get_by_role("link", name="Further").click()

    expect(page.get_by_role("link", name="Edit the item").first).to_be_visible()
    page.get_by_role("link", name="First page").click()
    expect(page.get_by_role("link", name="Edit the item")).to_have_count(25)


def test_an_object_is_uploaded_edited_downloaded_and_deleted(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/buckets?bucket=shop-labels&prefix=ä/")
    label = {"name": "läbel.txt", "mimeType": "text/plain", "buffer": b"To Ada\r\n"}
    page.get_by_label("File", exact=True).set_input_files(label)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("link", name="ä/läbel.txt", exact=True).click()
    page.get_by_label("Text").fill("To Bob\n")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved ä/läbel.txt.")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    assert downloading.value.suggested_filename == "läbel.txt"
    assert downloading.value.path().read_text() == "To Bob\n"

    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete the object").click()
    expect(page.get_by_role("status")).to_have_text("Deleted ä/läbel.txt.")


def test_an_object_never_runs_in_the_console(origin: str):
    page = "<script>window.hacked = 1</script>"
    act(
        origin,
        "buckets",
        do="put",
        bucket="shop-labels",
        key="evil.html",
        text=page,
        type="text/html",
    )
    address = f"{origin}/_lampwork/console/buckets?bucket=shop-labels&key=evil.html"

    answer = client.get(f"{address}&download=1")

    assert answer.text == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert page not in client.get(address).text


def test_values_are_hidden_until_somebody_asks(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/parameters")
    assert "good morning" not in page.content()
    assert "0000" not in page.content()

    page.get_by_role("button", name="Show the value of shop/till").click()
    expect(page.get_by_role("region", name="Value of shop/till")).to_contain_text('"pin": "0000"')
    page.get_by_text("Change…").click()
    page.get_by_label("New value").fill("1234")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("status")).to_have_text("Saved shop/till.")
    assert "1234" not in page.content()
    answer = act(origin, "parameters", do="show-parameter", name="/shop/greeting")
    assert "good morning" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_chain_of_services_is_one_trace(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/invocations?search=/orders/chain")
    page.get_by_role("link", name="Order").first.click()

    trace = page.get_by_role("table", name="Trace 1-")
    expect(trace.get_by_role("rowheader")).to_have_text(
        ["Order", "└ Pack", "└ Ship", "└ message to a socket"]
    )
    expect(trace.locator("svg rect")).to_have_count(4)
    expect(trace.get_by_role("row", name="Pack sqs parcels ok")).to_be_visible()
    expect(trace.get_by_role("row", name="Ship eventbridge local-")).to_be_visible()
    trace.get_by_role("link", name="Ship").click()
    expect(page.get_by_role("heading", name="Ship, number")).to_be_visible()
    expect(page.get_by_role("region", name="Event", exact=True)).to_contain_text("packed")


def test_a_failed_event_is_sent_once_more_and_turns_green(page: Page, shop: Shop):
    act(shop.origin, "schedules", do="fire", schedule="NightlyNight")
    page.goto(f"{shop.origin}/_lampwork/console/invocations?function=Nightly&status=failing")
    page.get_by_role("link", name="Nightly").first.click()
    expect(page.get_by_role("region", name="Traceback")).to_contain_text("shop.py")
    expect(page.get_by_text("ValueError: no night shift yet", exact=True)).to_be_visible()

    mended = 'return {"shift": event["shift"]}'
    shop.project.edit(
        "shop.py", lambda text: text.replace('raise ValueError("no night shift yet")', mended)
    )
    shop.lampwork.until("Reloaded")
    page.get_by_text("Send once more…").click()
    page.get_by_label("Event to send").fill('{"shift": "late"}')
    page.get_by_role("button", name="Send once more").click()

    expect(page.get_by_role("status")).to_have_text("Sent once more: ok.")
    expect(page.get_by_role("region", name="Answer")).to_contain_text('"shift": "late"')
    expect(page.get_by_text("Again after")).to_be_visible()


def test_an_event_is_saved(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/invocations?function=Order")
    page.get_by_role("link", name="Order").first.click()

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Save as event.json").click()
    assert json.loads(downloading.value.path().read_text())["version"] == "2.0"


def test_new_invocations_appear_by_themselves(page: Page, origin: str):
    page.goto(f"{origin}/_lampwork/console/invocations?search=/new-{'x' * 9}")
    expect(page.get_by_text("Nothing was invoked")).to_be_visible()

    client.get(f"{origin}/new-{'x' * 9}?a=<script>alert(1)</script>")

    expect(page.get_by_role("rowheader", name="Order")).to_be_visible()
    expect(page.get_by_role("row", name="Order")).to_contain_text("http GET /new-x")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"do": "replay", "id": "999999", "event": "{}"}, "no such invocation"),
        ({"do": "replay", "id": "x", "event": "{}"}, "no such action"),
        ({"do": "replay", "id": "1", "event": "{"}, "not JSON"),
    ],
)
def test_what_cannot_be_sent_once_more_is_said(origin: str, fields, reason):
    answer = act(origin, "invocations", **fields)

    assert answer.status_code == 400
    assert reason in answer.text
