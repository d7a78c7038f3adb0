from collections.abc import Iterator

import pytest

from shared.errors import AmbiguousCookies
from shared.security import cookies
from shared.security.cookies import TokenCookie
from shared.singletons import forget_singletons

ACCESS = TokenCookie.ACCESS


@pytest.fixture(params=["true", "false"])
def secure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    monkeypatch.setenv("COOKIE_SECURE", request.param)
    forget_singletons()
    yield request.param == "true"
    forget_singletons()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COOKIE_SECURE", "false")
    forget_singletons()
    yield
    forget_singletons()


def attributes(line: str) -> tuple[str, set[str]]:
    pair, *rest = line.split("; ")
    return pair, set(rest)


def test_the_access_cookie_is_for_this_host_and_no_script(secure: bool):
    pair, rest = attributes(cookies.set_cookie(ACCESS, "t", 600))

    assert pair == ("__Host-access_token=t" if secure else "access_token=t")
    assert rest - {"Secure"} == {"Max-Age=600", "Path=/", "HttpOnly", "SameSite=Lax"}
    assert ("Secure" in rest) is secure


def test_the_refresh_cookie_never_leaves_the_site(secure: bool):
    _, rest = attributes(cookies.set_cookie(TokenCookie.REFRESH, "t", None))

    assert "SameSite=Strict" in rest
    assert not any(each.startswith("Max-Age") for each in rest)


@pytest.mark.parametrize("cookie", list(TokenCookie))
@pytest.mark.case("F3")
def test_a_cookie_is_deleted_with_the_attributes_it_was_set_with(secure: bool, cookie: TokenCookie):
    _, made = attributes(cookies.set_cookie(cookie, "t", 600))
    _, gone = attributes(cookies.delete_cookie(cookie))

    assert made - {"Max-Age=600"} == gone - {"Max-Age=0"}


@pytest.mark.case("G3")
def test_cookie_names_of_the_other_mode_are_ignored(secure: bool):
    other = "access_token" if secure else "__Host-access_token"

    assert cookies.value(f"{other}=t", ACCESS) is None
    assert cookies.value(f"{ACCESS.wire_name}=t", ACCESS) == "t"


@pytest.mark.parametrize(
    "header",
    [
        "\x85access_token=evil",
        "\xa0access_token=evil",
        "\x0baccess_token=evil",
        "=access_token=evil",
        "Access_Token=evil",
        "access_token =evil",
        "access_token",
        "",
    ],
)
@pytest.mark.usefixtures("plain")
@pytest.mark.case("G1")
def test_a_similar_cookie_name_is_ignored(header: str):
    assert cookies.value(header, ACCESS) is None
    assert cookies.value(f"access_token=good; {header}", ACCESS) == "good"


@pytest.mark.usefixtures("plain")
def test_a_name_given_twice_is_ambiguous():
    with pytest.raises(AmbiguousCookies):
        cookies.value("access_token=one; other=x; access_token=two", ACCESS)
