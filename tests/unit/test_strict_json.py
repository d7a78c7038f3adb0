import pytest

from shared.errors import MalformedJson, Unprocessable
from shared.web import strict_json


def test_ordinary_json_is_read():
    assert strict_json.loads('{"a": [1, "é", null]}'.encode()) == {"a": [1, "é", None]}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_proper_json_is_refused(body: bytes):
    with pytest.raises(MalformedJson):
        strict_json.loads(body)


@pytest.mark.parametrize("body", [rb'{"a": "\ud800"}', rb'["x\u0000y"]', rb'{"\udc00": 1}'])
def test_texts_a_database_cannot_keep_are_refused(body: bytes):
    with pytest.raises(Unprocessable):
        strict_json.loads(body)
