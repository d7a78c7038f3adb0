from collections.abc import Iterator

import pytest

from shared.errors import CsrfRejected
from shared.security import origins
from shared.singletons import forget_singletons


@pytest.fixture(autouse=True)
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PUBLIC_URL", "https://api.example.com")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example.com")
    forget_singletons()
    yield
    forget_singletons()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-site", "origin": "https://app.example.com"},
        {"sec-fetch-site": "cross-site", "origin": "https://app.example.com"},
        {"origin": "https://api.example.com"},
        {"origin": "https://app.example.com"},
        {"referer": "https://app.example.com/page?x=1"},
    ],
)
def test_our_own_pages_and_programs_may_send(headers: dict[str, str]):
    origins.check_page(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-site", "origin": "https://blog.example.com"},
        {"sec-fetch-site": "cross-site", "referer": "https://evil.example/"},
        {"sec-fetch-site": "SAME-ORIGIN,none", "origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.example"},
        {"origin": "https://app.example.com.evil.example"},
        {"origin": "https://evil-app.example.com"},
        {"origin": "http://app.example.com"},
        {"origin": "https://app.example.com:8443"},
        {"origin": "https://APP.example.com"},
        {"origin": "https://app.example.com/"},
        {"origin": "https://app.example.com,https://evil.example"},
        {"origin": "https://evil.example", "referer": "https://app.example.com/"},
        {"referer": "https://app.example.com@evil.example/"},
        {"referer": "https://[broken"},
        {"referer": "about:blank"},
    ],
)
@pytest.mark.case("F11")
def test_a_foreign_page_may_not(headers: dict[str, str]):
    with pytest.raises(CsrfRejected):
        origins.check_page(headers)


def test_strict_mode_refuses_a_request_that_names_no_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CSRF_STRICT", "true")
    forget_singletons()

    with pytest.raises(CsrfRejected):
        origins.check_page({})
    origins.check_page({"origin": "https://app.example.com"})
    origins.check_page({"sec-fetch-site": "same-origin"})


NAMES = ("localhost", "127.0.0.1", "[::1]", "lampwork.localhost")


@pytest.mark.parametrize("own", NAMES[:3])
@pytest.mark.parametrize("page", NAMES)
def test_all_names_of_a_developers_machine_are_one_origin(
    monkeypatch: pytest.MonkeyPatch, own: str, page: str
):
    monkeypatch.setenv("PUBLIC_URL", f"http://{own}:8000")
    forget_singletons()

    assert origins.is_allowed(f"http://{page}:8000")


@pytest.mark.parametrize(
    "page",
    [
        *("http://localhost:8001", "https://localhost:8000", "http://localhost", "null", ""),
        *("http://localhost.evil.example:8000", "http://evil.example:8000", "http://10.0.0.1:8000"),
        *("http://localhost:8000@evil.example", "http://me@localhost:8000", "localhost:8000"),
        *("http://localhost:8000/", "http://[::1:8000", "http://localhost:port"),
    ],
)
def test_nothing_else_is(monkeypatch: pytest.MonkeyPatch, page: str):
    monkeypatch.setenv("PUBLIC_URL", "http://localhost:8000")
    forget_singletons()

    assert not origins.is_allowed(page)


@pytest.mark.parametrize(
    "page", [*(f"http://{each}:8000" for each in NAMES), "http://10.0.0.1:8000"]
)
def test_they_are_so_too_where_a_phone_uses_an_address(monkeypatch: pytest.MonkeyPatch, page: str):
    monkeypatch.setenv("PUBLIC_URL", "http://10.0.0.1:8000")
    monkeypatch.setenv("ALLOWED_ORIGINS", "http://localhost:8000 http://[")
    forget_singletons()

    assert origins.is_allowed(page)
    assert not origins.is_allowed(page.replace("8000", "8001"))


@pytest.mark.parametrize("page", [f"https://{name}" for name in NAMES])
def test_a_deployment_allows_no_page_of_its_visitors_machine(page: str):
    assert not origins.is_allowed(page)
