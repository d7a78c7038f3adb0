"""Keys for programs, from the page that makes them to the program that is refused."""

import httpx
from playwright.sync_api import Page, expect

from tests.browser.chromium import sign_in
from tests.e2e.product import Person


def make_key(page: Page, person: Person, name: str, password: str | None = None) -> None:
    page.get_by_label("What is it for?").fill(name)
    page.get_by_label("Your password").fill(password or person.password)
    page.get_by_role("button", name="Make a key").click()


def asked_with(person: Person, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{person.product.origin}/api/v1/tasks", headers=headers).status_code


def test_a_key_is_made_shown_once_used_and_revoked(context, ada):
    page = sign_in(context, ada, "/account")
    panel = page.get_by_role("region", name="API keys")
    expect(panel.get_by_text("You have none.")).to_be_visible()

    make_key(page, ada, "posters", "not the password")
    expect(panel.get_by_role("alert")).to_contain_text("The password is wrong.")
    make_key(page, ada, "posters")

    shown = panel.get_by_label("Your new key")
    expect(shown).to_be_focused()
    key = shown.input_value()
    assert key.startswith("lw_")
    assert asked_with(ada, key) == 200
    page.reload()
    row = panel.get_by_role("listitem")
    expect(row).to_contain_text(f"lw_…{key[-4:]}")
    expect(row).to_contain_text("last used")
    assert key not in page.content()
    expect(shown).to_be_hidden()

    panel.get_by_role("button", name="Revoke posters").click()
    panel.get_by_role("button", name="Revoke for good?").click()

    expect(panel.get_by_text("You have none.")).to_be_visible()
    expect(panel.get_by_role("heading", name="API keys")).to_be_focused()
    assert asked_with(ada, key) == 401
