import pytest

from shared.errors import InvalidIdempotencyKey
from shared.services.idempotency import fingerprint, parse_key


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (' "abc" ', "abc"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"a,b"', "a,b"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("x" * 255, "x" * 255),
    ],
)
@pytest.mark.stream_case(58)
def test_quoted_and_bare_forms_are_the_same_key(header, key):
    assert parse_key(header) == key


@pytest.mark.parametrize("header", ["", '""', '"a', 'a"', "a,b", "a b", "\x7f", "é", "x" * 256])
@pytest.mark.stream_case(58)
def test_any_other_value_is_no_key(header):
    with pytest.raises(InvalidIdempotencyKey):
        parse_key(header)


def test_another_order_of_members_is_the_same_request():
    one = fingerprint("POST", "/tasks", {"a": 1, "b": 2})

    assert one == fingerprint("POST", "/tasks", {"b": 2, "a": 1})
    assert one != fingerprint("POST", "/tasks", {"a": 1, "b": 3})
