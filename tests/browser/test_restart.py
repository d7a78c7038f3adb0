"""A page that stays open while the product goes away and comes back."""

import signal

from playwright.sync_api import expect

from tests.browser.chromium import sign_in
from tests.browser.studio import expect_picture, submit
from tests.e2e.product import running, sign_up

QUICK = {"TASK_LEASE_SECONDS": "2"}


def test_a_card_recovers_by_itself_from_a_killed_product(tmp_path, context):
    with running(tmp_path / "data", environment=QUICK) as product, sign_up(product) as ada:
        page = sign_in(context, ada)
        card = submit(page, "a wide mountain panorama at dawn", size="1024x1024")
        expect(card.get_by_text("Being painted")).to_be_visible()

        product.stop(signal.SIGKILL)

        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        expect(card).to_have_attribute("data-lost", "")
        with running(product.data, environment=QUICK, port=product.port):
            expect_picture(card)
            expect(page.get_by_text("The server does not answer.")).to_be_hidden()
            expect(card.get_by_role("link", name="Download")).to_be_visible()


def test_a_page_says_when_it_is_offline_and_continues_once_it_is_online(context, ada):
    page = sign_in(context, ada)
    expect(page.get_by_text("The wall is empty.")).to_be_visible()

    context.set_offline(True)

    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.get_by_label("What should it show?").fill("a paper boat")
    page.get_by_role("button", name="Paint it").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is lost")
    context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()
    page.get_by_role("button", name="Paint it").click()
    expect_picture(page.get_by_role("article", name="a paper boat"))


def test_a_page_whose_script_did_not_arrive_loads_it_again(context, product):
    page = context.new_page()
    failures = iter([True])
    page.route(
        "**/form.js",
        lambda route: route.abort() if next(failures, False) else route.continue_(),
    )

    page.goto(product.origin)

    expect(page.locator("#access form:visible button.primary")).to_be_enabled()
