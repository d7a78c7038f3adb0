"""The web page by direct invocation, as Lambda calls it."""

import re

import pytest

from functions.dashboard.pages import handler
from shared.clients import objects
from shared.mail.development import DevelopmentMailbox
from shared.mail.port import Mail
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.http import Answer, call
from tests.unit.test_safety import SAFE

PAGES = ("/", "/account", "/status", "/tasks/0a89f0bd-5b0f-4d3c-9c43-2f2e5c1d7a10")

PRODUCTION = {**SAFE, "COOKIE_SECURE": "true", "RATE_LIMITS": "true"}


@pytest.fixture(autouse=True)
def settings(application: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    application.setenv("RESULTS_BUCKET", "results")
    application.setenv("AWS_ACCESS_KEY_ID", "testing")
    application.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    application.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    application.setenv("S3_PUBLIC_ENDPOINT_URL", "https://pictures.example.com")
    forget_singletons()
    return application


def page(path: str, **request: object) -> Answer:
    answer = call(handler, "GET", path, **request)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer


def assets_of(answer: Answer) -> set[str]:
    return set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', answer.body.decode()))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookies", [{}, {"access_token": "any"}, {"refresh_token": "any"}])
def test_a_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(path, cookies):
    answer = page(path, cookies=cookies)

    html = answer.body.decode()
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert not re.search(r'(?:href|src)="(?:https?:)?//', html)


def test_a_page_may_show_pictures_from_where_their_links_lead():
    link = objects.link("key", content_type="image/png", file_name="picture.png")

    policy = page("/").headers["content-security-policy"]

    assert link.startswith("https://pictures.example.com/")
    assert "img-src 'self' https://pictures.example.com;" in policy


def test_a_visitor_with_a_session_cookie_gets_the_studio_and_others_the_welcome_page():
    assert b'id="compose"' in page("/", cookies={"access_token": "any"}).body
    assert b'id="compose"' not in page("/").body
    assert b'autocomplete="current-password"' in page("/").body


@pytest.mark.parametrize("path", PAGES)
def test_every_asset_of_a_page_is_there_and_kept_forever(path):
    for cookies in ({}, {"access_token": "any"}):
        for asset in assets_of(page(path, cookies=cookies)):
            answer = call(handler, "GET", asset)
            assert (answer.status, answer.headers["cache-control"]) == (
                200,
                "public, max-age=31536000, immutable",
            )
            assert answer.headers["vary"] == "Accept-Encoding"


def test_an_asset_at_the_address_of_another_version_is_served_but_not_kept():
    answer = call(handler, "GET", "/assets/0123456789abcdef/api.js")

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["pages.py", "..%2fpages.py", "nothing.js"])
def test_a_path_that_is_no_asset_is_not_found(name):
    assert call(handler, "GET", f"/assets/0123456789abcdef/{name}").status == 404


def test_an_impossible_task_id_is_not_found_and_not_shown():
    answer = page("/tasks/%3Cimg%20onerror=alert(1)%3E")

    assert answer.status == 404
    assert b"alert(1)" not in answer.body


@pytest.mark.parametrize("path", ["/nothing", "/no/such/page", "/api/v1/nothing", "/favicon.ico"])
def test_people_get_a_page_on_every_path_that_has_none(path):
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    answer = page(path, headers={"accept": browser})

    assert answer.status == 404
    assert b"There is nothing here." in answer.body


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/avif,image/webp,*/*"])
def test_programs_get_what_the_gateway_itself_would_answer(accept):
    answer = call(handler, "GET", "/api/v1/nothing", headers={"accept": accept})

    assert (answer.status, answer.json) == (404, {"message": "Not Found"})


def test_the_mailbox_shows_mails_with_their_links_and_without_their_markup():
    text = "Hello <b>you</b>\n\nhttp://localhost:8000/#verify=ev1_token\n"
    run(DevelopmentMailbox().send(Mail("ada@example.com", "<img src=x>", text, "")))

    html = page("/mailbox").body.decode()

    assert 'href="http://localhost:8000/#verify=ev1_token"' in html
    assert "&lt;img src=x&gt;" in html
    assert "Hello &lt;b&gt;you&lt;/b&gt;" in html


@pytest.mark.parametrize("host", ["evil.example:8000", "192.168.1.20:8000", "lampwork.local"])
def test_the_mailbox_is_shown_under_a_name_of_this_machine_alone(host):
    run(DevelopmentMailbox().send(Mail("ada@example.com", "a secret", "text", "")))

    answer = call(handler, "GET", "/mailbox", headers={"host": host})

    assert (answer.status, answer.json["code"]) == (403, "mailbox_elsewhere")
    assert b"secret" not in answer.body


@pytest.mark.parametrize("variables", [{"MAIL_URL": "none://"}, PRODUCTION])
def test_only_a_developers_machine_has_a_mailbox(settings, variables):
    for name, value in variables.items():
        settings.setenv(name, value)
    forget_singletons()

    assert page("/mailbox").status == 404
    assert b"/mailbox" not in page("/").body
