"""What people write is text, wherever it is shown."""

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import sign_in
from tests.browser.studio import submit

ATTACKS = (
    "<img src=x onerror=window.hacked=1>",
    "<script>window.hacked=1</script>",
    '"><svg onload=window.hacked=1>',
    "javascript:window.hacked=1",
    "{{ 7 * 7 }}${window.hacked=1}",
)


def expect_unharmed(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img[src='x'], main svg[onload], main script").count() == 0


def test_a_prompt_is_shown_as_written(context: BrowserContext, ada):
    prompt = "\n".join(ATTACKS)
    task = ada.submit(prompt, width=64, height=64)

    page = sign_in(context, ada)

    expect(page.get_by_role("article").locator(".title a")).to_have_text(prompt)
    expect_unharmed(page)
    page.goto(f"{ada.product.origin}/tasks/{task['id']}")
    expect(page.get_by_role("article").locator(".title a")).to_have_text(prompt)
    expect_unharmed(page)


def test_a_name_is_shown_as_written(context, ada):
    ada.client.patch("/auth/me", json={"display_name": ATTACKS[0]}).raise_for_status()
    attacker = {"User-Agent": f"{ATTACKS[1]} Chrome/1 {ATTACKS[2]}"}
    account = {"email": ada.email, "password": ada.password}
    ada.client.post("/auth/login", json=account, headers=attacker).raise_for_status()

    page = sign_in(context, ada, "/account")

    expect(page.get_by_label("Name")).to_have_value(ATTACKS[0])
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect_unharmed(page)


def test_an_address_runs_no_script(context, product):
    page = context.new_page()

    for attack in ATTACKS:
        page.goto(f"{product.origin}/account#verify={attack}")
        expect(page.get_by_label("Token")).to_have_value(attack)
        expect_unharmed(page)
        page.goto(f"{product.origin}/tasks/{attack}")
        expect_unharmed(page)


def test_an_error_of_the_server_is_shown_as_text(context, ada):
    page = sign_in(context, ada)
    problem = {"status": 422, "code": "odd", "detail": ATTACKS[0], "errors": []}
    page.route(
        "**/api/v1/tasks",
        lambda route: (
            route.fulfill(status=422, json=problem)
            if route.request.method == "POST"
            else route.continue_()
        ),
    )

    page.get_by_label("What should it show?").fill("anything")
    page.get_by_role("button", name="Paint it").click()

    expect(page.get_by_text(ATTACKS[0])).to_be_visible()
    expect_unharmed(page)


def test_the_reason_for_a_refused_prompt_is_shown_beside_the_form(context, ada):
    page = sign_in(context, ada)

    page.get_by_label("What should it show?").fill("a bell \x07 rings")
    page.get_by_role("button", name="Paint it").click()

    expect(page.get_by_text("Prompt: The text holds the control character U+0007.")).to_be_visible()
    expect(page.get_by_label("What should it show?")).to_be_focused()
    submit(page, "a bell rings", size="512x512")
