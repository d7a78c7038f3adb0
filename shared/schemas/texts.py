"""Which characters people's texts may hold, by Unicode category; docs/tasks.md has the table.

A category is that of the running Python's Unicode version: characters of newer versions, such as
next year's emoji, are unassigned (Cn) here, and are as welcome as any other.
"""

import re
import unicodedata
from typing import Final

LINE_BREAKS_AND_TABS: Final = frozenset("\t\n\r\u2028\u2029")
# They turn around the order in which the rest of a line is shown: embeddings, overrides, isolates
# (Unicode Standard Annex #9, section 2). The marks U+200E, U+200F and U+061C do not.
REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# A flag such as Scotland's: a black flag, its region in invisible letters, an end (UTS #51, 1.4.9).
# Elsewhere these letters hide a text that programs read and people do not see.
FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,12}\U000e007f")
# What a decoder writes in place of bytes that are no text: the sender's encoding is wrong.
REPLACEMENT: Final = "\ufffd"
TAGS: Final = re.compile("[\U000e0000-\U000e007f]")
# Nothing is drawn for these, though their category is one of letters, symbols or unassigned
# (Default_Ignorable_Code_Point of DerivedCoreProperties.txt; the blank Braille pattern).
BLANK: Final = re.compile(
    "[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Letters, digits, punctuation, symbols, marks with a width, private use and newer characters.
DRAWN: Final = frozenset({"L", "N", "P", "S", "Mc", "Co", "Cn"})


def check_line(text: str) -> str:
    """A text of one line, such as a name. Joiners are welcome: many names and emoji need them.

    Raises:
        ValueError: it has nothing to see, space at an end, a line break, or a character that no
            text may hold.
    """
    if text != text.strip():
        raise ValueError("The text begins or ends with a space.")
    return _check(text, allowed=frozenset())


def check_lines(text: str) -> str:
    """A text of any number of lines, with tabs.

    Raises:
        ValueError: it has nothing to see, or a character that no text may hold.
    """
    return _check(text, allowed=LINE_BREAKS_AND_TABS)


def _check(text: str, *, allowed: frozenset[str]) -> str:
    for character in text:
        if character not in allowed and (problem := _problem(character)):
            raise ValueError(problem)
    if TAGS.search(FLAG.sub("", text)):
        raise ValueError("The text holds invisible letters outside of a flag.")
    if not any(_is_drawn(character) for character in text):
        raise ValueError("The text has nothing to see.")
    return text


def _problem(character: str) -> str | None:
    if character == REPLACEMENT:
        return "The text holds U+FFFD, which stands for bytes that are not UTF-8."
    if character in REORDERING:
        return f"The text holds U+{ord(character):04X}, which reorders the text around it."
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or _is_noncharacter(character):
        return f"The text holds the control character U+{ord(character):04X}."
    return None


def _is_noncharacter(character: str) -> bool:
    """Whether Unicode will never assign it (The Unicode Standard, section 23.7)."""
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_drawn(character: str) -> bool:
    category = unicodedata.category(character)
    return not DRAWN.isdisjoint({category, category[0]}) and not BLANK.match(character)
