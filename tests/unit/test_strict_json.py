import pytest

from shared import strict_json
from shared.errors import MalformedJson, Unprocessable


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
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\xf5\x80\x80\x80"',
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        "{}".encode("utf-16"),
    ],
)
def test_invalid_json_is_refused(body: bytes):
    with pytest.raises(MalformedJson):
        strict_json.loads(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (rb'{"a": {"b": "\ud800"}}', ["body", "a", "b"]),
        (rb'["good", "x\u0000y"]', ["body", "1"]),
        (rb'{"a": {"\udc00": 1}}', ["body", "a"]),
    ],
)
def test_texts_that_a_database_cannot_store_are_refused_with_their_place(
    body: bytes, place: list[str]
):
    with pytest.raises(Unprocessable) as refused:
        strict_json.loads(body)

    assert [list(error["loc"]) for error in refused.value.extra["errors"]] == [place]
