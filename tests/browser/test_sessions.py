"""Sessions as the tabs of a browser see them."""

from collections import Counter

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.chromium import sign_in
from tests.browser.studio import expect_picture, submit
from tests.e2e.product import Person
from tests.waiting import until


def enter(page: Page, person: Person, password: str | None = None) -> None:
    form = page.locator("#access form:visible")
    form.get_by_label("E-mail").fill(person.email)
    form.get_by_label("Password").fill(password or person.password)
    form.get_by_role("button", name="Sign in").click()


def test_tabs_whose_token_has_expired_refresh_it_once_for_all(context: BrowserContext, ada):
    first = sign_in(context, ada)
    second = context.new_page()
    second.goto(ada.product.origin)
    for page in (first, second):
        expect(page.get_by_text("The wall is empty.")).to_be_visible()
    asked: Counter[str] = Counter()
    context.on("request", lambda request: asked.update([request.url.rpartition("/")[2]]))

    context.clear_cookies(name="access_token")
    submit(first, "a paper boat", size="512x512")

    for page in (first, second):
        expect_picture(page.get_by_role("article", name="a paper boat"))
    assert asked["refresh"] == 1


def test_a_page_that_lost_the_answer_to_its_refresh_asks_again_with_the_same_key(context, ada):
    page = sign_in(context, ada)
    expect(page.get_by_text("The wall is empty.")).to_be_visible()
    keys = []

    def lose_the_first(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
            return
        sent = context.cookies()
        route.fetch()  # the server exchanges the token, and the browser hears nothing of it
        context.clear_cookies()
        context.add_cookies(sent)
        route.abort()

    context.route("**/api/v1/auth/refresh", lose_the_first)
    context.clear_cookies(name="access_token")
    with page.expect_event("requestfailed", lambda request: "refresh" in request.url):
        page.goto(f"{ada.product.origin}/account")
    page.goto(f"{ada.product.origin}/account")

    expect(page.get_by_text(ada.email)).to_be_visible()
    assert len(set(keys)) == 1
    assert len(keys) >= 2
    assert page.evaluate("localStorage.length") == 0


def test_a_draft_survives_signing_in_again_after_the_session_ended_elsewhere(context, ada):
    page = sign_in(context, ada)
    prompt = page.get_by_label("What should it show?")
    prompt.fill("a half-written thought")
    ada.client.post("/auth/logout", params={"scope": "global"}).raise_for_status()

    page.get_by_role("button", name="Paint it").click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Your session has ended.")).to_be_visible()
    enter(page, ada)
    expect(dialog).to_be_hidden()
    expect(prompt).to_have_value("a half-written thought")
    page.get_by_role("button", name="Paint it").click()
    expect(page.get_by_role("article", name="a half-written thought")).to_be_visible()


def test_signing_out_in_one_tab_signs_out_the_other(context, ada):
    first = sign_in(context, ada)
    second = context.new_page()
    second.goto(f"{ada.product.origin}/account")
    expect(second.get_by_text(ada.email)).to_be_visible()

    first.get_by_role("button", name="Sign out").click()

    for page in (first, second):
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_another_sign_in_can_be_ended(context, others_context, ada, product):
    account = {"email": ada.email, "password": ada.password}
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    ada.client.post("/auth/login", json=account, headers=headers).raise_for_status()
    page = sign_in(context, ada, "/account")
    expect(page.get_by_role("listitem")).to_have_count(2)

    page.get_by_role("button", name="Sign out Firefox on Linux").click()

    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_text("This one")).to_be_visible()


def test_a_profile_is_changed_and_kept(context, ada):
    page = sign_in(context, ada, "/account")
    expect(page.get_by_text("0 of 100")).to_be_visible()

    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Language").fill("no such language")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Language: String should match pattern")).to_be_visible()
    page.get_by_label("Language").fill("en-GB")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("Ada")


def test_a_visitor_who_guesses_too_often_is_told_how_long_to_wait(context, product, ada):
    page = context.new_page()
    page.goto(product.origin)
    for _ in range(5):
        enter(page, ada, "wrong password")
        expect(page.get_by_text("The e-mail address or the password is wrong.")).to_be_visible()

    enter(page, ada, "wrong password")

    expect(page.get_by_text("That was too often in a short time.")).to_be_visible()
    button = page.get_by_role("button", name="Wait ")
    expect(button).to_have_attribute("aria-disabled", "true")


def test_a_forgotten_password_is_replaced_through_the_mailbox(context, product, ada):
    page = context.new_page()
    page.goto(product.origin)
    page.get_by_role("button", name="Forgot the password?").click()
    form = page.locator("#access form:visible")
    form.get_by_label("E-mail").fill(ada.email)
    form.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("the mail is on its way")).to_be_visible()
    mail = page.get_by_role("article").filter(has_text=ada.email)

    def has_come() -> bool:
        page.goto(f"{product.origin}/mailbox")
        return bool(mail.count())

    product.invoke("TasksSweep", {})  # the next one would send it too
    until(has_come)
    mail.get_by_role("link", name="Follow the link").click()

    form.get_by_label("New password").fill("an entirely new password")
    assert page.url == f"{product.origin}/"
    form.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("The password is set.")).to_be_visible()
    enter(page, ada, "an entirely new password")
    expect(page.get_by_role("heading", name="A new picture")).to_be_visible()
