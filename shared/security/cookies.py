from collections.abc import Iterator
from enum import StrEnum

from shared import settings
from shared.errors import AmbiguousCookies

OPTIONAL_WHITESPACE = " \t"  # RFC 9110, section 5.6.3


class TokenCookie(StrEnum):
    ACCESS = "access_token"
    REFRESH = "refresh_token"
    DEVICE = "device"

    @property
    def wire_name(self) -> str:
        """The name in use. With TLS it has the prefix that binds the cookie to this host."""
        return f"__Host-{self.value}" if settings.auth().secure_cookies else self.value


SAME_SITE = {
    TokenCookie.ACCESS: "Lax",
    TokenCookie.REFRESH: "Strict",
    TokenCookie.DEVICE: "Strict",
}


def values(header: str, cookie: TokenCookie) -> list[str]:
    """Every value of one of our cookies in a Cookie header.

    Common parsers strip more than ASCII whitespace from names, so that another host's
    `\\x85__Host-refresh_token` would pass for ours; this one compares names as they are.
    """
    return [value for name, value in _pairs(header) if name == cookie.wire_name]


def value(header: str, cookie: TokenCookie) -> str | None:
    """The value of one of our cookies, or None.

    Raises:
        AmbiguousCookies: it is there more than once, so another host may have set one of them.
    """
    found = values(header, cookie)
    if len(found) > 1:
        raise AmbiguousCookies
    return found[0] if found else None


def set_cookie(cookie: TokenCookie, token: str, max_age_seconds: int | None) -> str:
    """A Set-Cookie line. Without an age the cookie lasts as long as the browser's session."""
    line = f"{cookie.wire_name}={token}"
    if max_age_seconds is not None:
        line += f"; Max-Age={max_age_seconds}"
    line += f"; Path=/; HttpOnly; SameSite={SAME_SITE[cookie]}"
    return line + "; Secure" if settings.auth().secure_cookies else line


def delete_cookie(cookie: TokenCookie) -> str:
    """A Set-Cookie line that deletes the cookie, with the same attributes, as browsers require."""
    return set_cookie(cookie, "", max_age_seconds=0)


def _pairs(header: str) -> Iterator[tuple[str, str]]:
    for part in header.split(";"):
        name, equals, text = part.strip(OPTIONAL_WHITESPACE).partition("=")
        if equals:
            yield name, text
