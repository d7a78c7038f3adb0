import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schemas.texts import check_line, check_lines

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "text",
    [
        *("Zoë", "O'Neil", "李雷", "\U0001d518nicode", "山田\u3000太郎", "Ada\u00a0Lovelace"),
        *(
            "👨\u200d👩\u200d👧 family",
            "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
            "क्\u200dष",
            "דוד\u200f!",
            "❤\ufe0f",
        ),
        *(f"made in {SCOTLAND}", "\U0001fae9 newer", "\U0003fffd", "\ue000", "co\u00adoperate"),
    ],
)
def test_people_may_write_their_names_and_emoji_as_they_do(text: str):
    assert check_line(text) == text
    assert check_lines(text) == text


@pytest.mark.parametrize("text", ["a list:\ta boat", "a boat\r\nat night", "one\u2028two", " a "])
def test_only_a_text_of_several_lines_may_be_laid_out(text: str):
    assert check_lines(text) == text
    with pytest.raises(ValueError, match=r"control character|space"):
        check_line(text)


@pytest.mark.parametrize(
    "character",
    [
        *("\x00", "\x07", "\x1b", "\x7f", "\x85", "\x9f", "\ud800", "\ufffd"),
        *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e"),
        *("\u2066", "\u2067", "\u2068", "\u2069"),
        *("\ufdd0", "\uffff", "\U0010fffe", "\U000e0041"),
    ],
)
def test_controls_and_what_turns_or_hides_text_are_refused(character: str):
    for check in (check_line, check_lines):
        with pytest.raises(ValueError, match="holds"):
            check(f"a{character}b")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\u3000",
            "\u00a0",
            "\n\t",
            "\u200b\u200b",
            "\u200d",
            "\ufeff",
            "\u2060",
            "\u00ad",
        ),
        *("\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u180e", "\ufe0f", "\u034f", "\u0301"),
        *("\u2065", "\U000e0100", "\U000e0fff", " \u200b\u3164 "),
    ],
)
def test_a_text_of_which_nothing_is_seen_is_refused(text: str):
    with pytest.raises(ValueError, match="nothing to see"):
        check_lines(text)
    with pytest.raises(ValueError, match=r"nothing to see|space"):
        check_line(text)


@given(st.text())
def test_what_one_line_may_hold_several_may_too(text: str):
    try:
        line = check_line(text)
    except ValueError:
        return
    assert check_lines(line) == text
