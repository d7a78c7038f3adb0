"""What people do with the pictures of their wall: look at them, paint more like them, and have
programs do so."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import sign_in, window
from tests.browser.studio import expect_picture
from tests.e2e.product import Person
from tests.waiting import until

HOSTILE = "a 'lamp' \"here\" $(touch broken) `touch broken` \\ !! #\n第 'EOF' {lamp} ${lamp} %s"


def paint(person: Person, *prompts: str, **parameters: Any) -> None:
    """Have pictures painted before the page opens."""
    for prompt in prompts:
        person.submit(prompt, **{"width": 96, "height": 64, **parameters})
    completed = {"status": "completed"}
    until(
        lambda: len(person.client.get("/tasks", params=completed).json()["items"]) >= len(prompts)
    )


def swipe(page: Page, by: int) -> None:
    page.mouse.move(640, 300)
    page.mouse.down()
    page.mouse.move(640 + by, 310)
    page.mouse.up()


def test_pictures_are_viewed_one_after_another_with_the_keyboard(context, ada):
    paint(ada, "the first", "the second", "the third")
    page = sign_in(context, ada)
    viewer = page.get_by_role("dialog")

    page.get_by_role("link", name="View the third").focus()
    page.keyboard.press("Enter")
    expect(viewer.get_by_role("heading", name="the third")).to_be_visible()
    expect(viewer.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("heading", name="the second")).to_be_visible()
    expect_picture(viewer)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("status")).to_have_text("This is the last picture.")
    expect(viewer.get_by_role("heading", name="the first")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(viewer.get_by_role("heading", name="the second")).to_be_visible()
    page.keyboard.press("Escape")

    expect(viewer).to_be_hidden()
    expect(page.get_by_role("link", name="View the second")).to_be_focused()
    page.keyboard.press("Enter")
    expect(viewer.get_by_role("heading", name="the second")).to_be_visible()


def test_the_viewer_is_swiped_and_leads_to_the_file_and_the_picture_s_page(context, ada):
    paint(ada, "the first", "the second")
    page = sign_in(context, ada)
    viewer = page.get_by_role("dialog")
    page.get_by_role("link", name="View the second").click()
    expect_picture(viewer)

    swipe(page, -200)
    expect(viewer.get_by_role("heading", name="the first")).to_be_visible()
    swipe(page, 200)
    expect(viewer.get_by_role("heading", name="the second")).to_be_visible()
    with page.expect_download():
        viewer.get_by_role("link", name="Download").click()
    viewer.get_by_role("link", name="Details").click()

    expect(page.get_by_role("heading", level=1, name="the second")).to_be_visible()


def test_a_prompt_is_used_again_and_a_picture_painted_again_is_another_one(context, ada):
    paint(ada, "a paper boat", width=512, height=512, style="ink", seed=7)
    page = sign_in(context, ada)
    card = page.get_by_role("article", name="a paper boat")

    card.get_by_role("button", name="Use this prompt").click()
    expect(page.get_by_label("What should it show?")).to_be_focused()
    expect(page.get_by_label("What should it show?")).to_have_value("a paper boat")
    expect(page.locator('input[value="512x512"]')).to_be_checked()
    expect(page.locator('input[value="ink"]')).to_be_checked()
    expect(page.get_by_label("Seed")).to_have_value("")
    card.get_by_role("button", name="Paint again").click()
    expect(page.get_by_role("article")).to_have_count(2)

    one, other = ada.client.get("/tasks").json()["items"]
    assert one["prompt"] == other["prompt"]
    assert one["parameters"] == {**other["parameters"], "seed": one["parameters"]["seed"]}
    assert one["parameters"]["seed"] != other["parameters"]["seed"] == 7


def test_a_draft_is_counted_and_kept_until_it_is_sent(context, ada):
    page = sign_in(context, ada)
    prompt = page.get_by_label("What should it show?")
    prompt.fill("a half-written thought")
    page.locator('input[value="mosaic"]').check()

    page.goto(f"{ada.product.origin}/account")
    page.goto(ada.product.origin)

    expect(prompt).to_have_value("a half-written thought")
    expect(page.locator('input[value="mosaic"]')).to_be_checked()
    expect(page.get_by_text("22 of 2000")).to_be_visible()
    page.get_by_role("button", name="Paint it").click()
    expect(page.get_by_role("article")).to_have_count(1)
    page.reload()
    expect(prompt).to_have_value("")


def test_the_address_says_which_pictures_are_shown(context, ada):
    paint(ada, "a paper boat")
    page = sign_in(context, ada)
    boat = page.get_by_role("article", name="a paper boat")
    expect(boat).to_be_visible()

    page.locator("#filter").select_option("failed")
    expect(page.get_by_text("None like that.")).to_be_visible()
    assert page.url == f"{ada.product.origin}/?show=failed"
    page.reload()
    expect(page.get_by_text("None like that.")).to_be_visible()
    expect(page.locator("#filter")).to_have_value("failed")
    page.go_back()

    expect(boat).to_be_visible()
    expect(page.locator("#filter")).to_have_value("")
    page.goto(f"{ada.product.origin}/?show=nothing")
    expect(boat).to_be_visible()


SCREENS = [(1280, 600), (390, 664), (320, 568)]


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_button_is_in_sight_on_every_screen(browser, ada, width, height):
    with window(browser, viewport={"width": width, "height": height}) as context:
        page = sign_in(context, ada)
        button = page.get_by_role("button", name="Paint it")

        expect(button).to_be_in_viewport(ratio=1)
        page.get_by_label("Seed").focus()

        expect(button).to_be_in_viewport(ratio=1)
        # What has the focus is not under the bar of the button (WCAG 2.2, 2.4.11).
        seed, bar = (page.locator(each).bounding_box() for each in ("#seed", ".send"))
        assert seed is not None
        assert bar is not None
        assert seed["y"] + seed["height"] <= bar["y"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def code_in(page: Page, language: str) -> str:
    page.get_by_role("dialog").get_by_label(language, exact=True).check()
    return page.get_by_role("region", name="The code").inner_text()


def test_the_code_of_a_picture_paints_it_again_however_hostile_the_prompt(
    context, ada, tmp_path: Path
):
    """Run as it is copied, in the languages that are here."""
    paint(ada, HOSTILE, seed=7)
    page = sign_in(context, ada)
    page.get_by_role("article").get_by_role("button", name="Code").click()
    wanted = {"name": "A program", "scopes": ["tasks:read", "tasks:write"]}
    key = ada.client.post("/auth/api-keys", json=wanted).json()["key"]
    environment = {**os.environ, "LAMPWORK_API_KEY": key}
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "check": True}

    curl, python = code_in(page, "curl"), code_in(page, "Python")
    subprocess.run(["bash", "-c", curl], stdout=subprocess.DEVNULL, **options)
    subprocess.run([sys.executable, "-c", python], **options)

    tasks = ada.client.get("/tasks").json()["items"]
    assert [each["prompt"] for each in tasks] == [HOSTILE] * 3
    assert tasks[0]["parameters"] == tasks[1]["parameters"] == tasks[2]["parameters"]
    assert [each.name for each in tmp_path.iterdir()] == ["picture.png"]
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert key not in curl + python
    page.keyboard.press("Escape")
    expect(page.get_by_role("article").get_by_role("button", name="Code").last).to_be_focused()


def test_the_code_of_the_form_asks_for_what_the_form_says(context, ada):
    page = sign_in(context, ada)
    page.get_by_label("What should it show?").fill("a paper boat")
    page.locator('input[value="512x768"]').check()
    page.locator("#form-code").click()

    script = code_in(page, "JavaScript")

    assert 'prompt: "a paper boat"' in script
    assert '{"width":512,"height":768,"style":"painting"}' in script
