"""Renews the list of passwords that sign-up refuses: `make common-passwords`.

It takes them from two packages, which `make` installs for this run alone:

* Django's list of the 20,000 most common ones;
* zxcvbn's lists of passwords, words and names. A text stands only in the list where it ranks
  highest, so all of them are read as far as rank 10,000, and the passwords to their end.

What the list holds already stays in it. Shorter ones are left out: the policy refuses them anyway.
"""

import gzip
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from shared.security.password_policy import COMMON_PASSWORDS, SHORTEST_ALLOWED

RANK = 10_000
PACKAGES = ("Django", "zxcvbn")
LICENCES = COMMON_PASSWORDS.with_suffix(".licences.txt")


def main() -> None:
    known = COMMON_PASSWORDS.read_text().splitlines()
    found = {text.casefold() for text in (*known, *_of_django(), *_of_zxcvbn())}
    kept = sorted(text for text in found if len(text) >= SHORTEST_ALLOWED)
    COMMON_PASSWORDS.write_text("\n".join(kept) + "\n")
    LICENCES.write_text("\n\n".join(_licence(package) for package in PACKAGES))


def _of_django() -> Iterator[str]:
    path = _file_of("Django", "django/contrib/auth/common-passwords.txt.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (line.strip() for line in lines)


def _of_zxcvbn() -> Iterator[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    for name, ranked in FREQUENCY_LISTS.items():
        yield from ranked if name == "passwords" else ranked[:RANK]


def _licence(package: str) -> str:
    text = _file_of(package, "LICENSE*").read_text()
    return f"{package} {distribution(package).version}\n\n{text.strip()}\n"


def _file_of(package: str, pattern: str) -> Path:
    """The first file of an installed package whose path ends like this."""
    found = next(file for file in distribution(package).files or () if file.match(pattern))
    return Path(str(found.locate()))


if __name__ == "__main__":
    main()
