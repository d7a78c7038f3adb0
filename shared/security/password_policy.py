import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shared import settings
from shared.errors import WeakPassword

SHORTEST_ALLOWED = 8  # a setting may ask for more, not for less
MAXIMUM_LENGTH = 128
MAXIMUM_BYTES = 1024
SHORTEST_TELLING_LOCAL_PART = 4
PRODUCT_NAME = "lampwork"
# The Unicode categories of spaces, of control and format characters, and of marks without a width.
NOTHING_TO_GUESS = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Mn"})
# One in each line, casefolded; `make common-passwords` renews it. Its licences stand beside it.
COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


def check_new_password(password: str, *, email: str) -> None:
    """Refuse a password that is easy to guess. Nothing that is stored is trimmed, folded or
    normalised, and it needs no particular classes of characters (OWASP ASVS 5.0, 6.2).

    Raises:
        WeakPassword: its `reasons` name every rule that is broken, never the password.
    """
    reasons = list(_broken_rules(password, email))
    if reasons:
        raise WeakPassword(reasons=reasons)


def _broken_rules(password: str, email: str) -> Iterator[str]:
    folded, bare = password.casefold(), _bare(password)
    local_part = email.rpartition("@")[0].casefold()
    if len(password) < settings.auth().minimum_password_length:
        yield "too_short"
    if len(password) > MAXIMUM_LENGTH or len(password.encode()) > MAXIMUM_BYTES:
        yield "too_long"
    if not common_passwords().isdisjoint((folded, bare)) or (password and not bare):
        yield "common"
    if folded == local_part or (
        len(local_part) >= SHORTEST_TELLING_LOCAL_PART and local_part in folded
    ):
        yield "contains_email"
    if PRODUCT_NAME in folded:
        yield "contains_product_name"


def _bare(password: str) -> str:
    """What is left of a password to guess without spaces, what nobody sees, and other forms of the
    same letters, such as those of double width or with accents (NFKD)."""
    plain = unicodedata.normalize("NFKD", password).casefold()
    return "".join(each for each in plain if unicodedata.category(each) not in NOTHING_TO_GUESS)


@cache
def common_passwords() -> frozenset[str]:
    """Read at the first password that is set: no other request pays for it.

    These are more than the 3,000 most common ones that match the policy, which OWASP ASVS 5.0,
    6.2.4, asks for.
    """
    return frozenset(COMMON_PASSWORDS.read_text(encoding="utf-8").splitlines())
