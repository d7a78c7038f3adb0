import base64
import json
from typing import Any

import pytest

from lampwork.history.masking import MASK, is_secret, masked, masked_text, masks_in, unmasked

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "authorizationToken", "Cookie", "cookies", "Set-Cookie", "password"),
        *("new_password", "X-Amz-Security-Token", "X-Amz-Signature", "access_token", "apiKey"),
        *(
            "X-Api-Key",
            "clientSecret",
            "refreshToken",
            "ticket",
            "identitySource",
            "aws_secret_key",
        ),
    ],
)
def test_a_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("token_type", "expires_in", "Content-Type", "prompt", "SignatureVersion", "ticketId"),
        *("eventSourceARN", "secretArn", "host", "option"),
    ],
)
def test_a_name_of_no_secret_is_not_taken_for_one(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ({"a": [{"password": "x", "b": 1}]}, {"a": [{"password": MASK, "b": 1}]}),
        ({"max_tokens": 512, "token": None}, {"max_tokens": 512, "token": None}),
        ({"cookies": ["a=1", "b=2"]}, {"cookies": [f"a={MASK}", f"b={MASK}"]}),
        ({"Set-Cookie": "a=1; Path=/"}, {"Set-Cookie": f"a={MASK}; Path=/"}),
        ({"password": {"S": "x"}}, {"password": {"S": MASK}}),
        ({"sub-protocol": f"tasks.v1, bearer.{JWT}"}, {"sub-protocol": f"tasks.v1, bearer.{MASK}"}),
        ({"rawQueryString": "a=1&token=x"}, {"rawQueryString": f"a=1&token={MASK}"}),
        ("grant_type=password&password=x", f"grant_type=password&password={MASK}"),
        ({"url": "https://x/?X-Amz-Signature=ab&b=c"}, {"url": f"https://x/?X-Amz-Signature={MASK}&b=c"}),
    ],
)  # fmt: skip
def test_secrets_are_hidden_at_every_depth(value: Any, hidden: Any) -> None:
    assert masked(value)[0] == hidden


def test_json_within_texts_is_looked_into() -> None:
    inner = json.dumps({"Message": json.dumps({"secret": "x", "a": 1})})

    hidden, paths = masked({"Records": [{"body": inner}]})

    message = json.loads(json.loads(hidden["Records"][0]["body"])["Message"])
    assert message == {"secret": MASK, "a": 1}
    assert paths == ["Records.0.body.Message.secret"]


def test_a_body_in_base64_is_looked_into() -> None:
    body = base64.b64encode(b"user=anna&password=x").decode()

    hidden, _ = masked({"body": body, "isBase64Encoded": True})

    assert base64.b64decode(hidden["body"]).decode() == f"user=anna&password={MASK}"


def test_bytes_in_base64_stay_as_they_are() -> None:
    event = {"body": base64.b64encode(b"\xff\xfe\x00").decode(), "isBase64Encoded": True}

    assert masked(event) == (event, [])


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        (f"got {JWT} from", f"got {MASK} from"),
        ("Authorization is Bearer abcdefghijk.", f"Authorization is Bearer {MASK}"),
        ("{'password': 'hunter2', 'a': 'b'}", f"{{'password': '{MASK}', 'a': 'b'}}"),
        ("key AKIAIOSFODNN7EXAMPLE", f"key {MASK}"),
        ("the bearer of news, basic things", "the bearer of news, basic things"),
    ],
)
def test_lines_of_a_log_are_read_too(line: str, hidden: str) -> None:
    assert masked_text(line) == hidden


def test_what_an_editor_left_masked_is_put_back() -> None:
    original = {
        "headers": {"authorization": "Bearer abcdefghijk", "x": "1"},
        "body": json.dumps({"password": "hunter2", "quantity": 0}),
        "cookies": ["a=1"],
    }
    edited, _ = masked(original)
    edited["headers"]["x"] = "2"
    edited["body"] = json.dumps({**json.loads(edited["body"]), "quantity": 1})

    event = unmasked(edited, original)

    assert event["headers"] == {"authorization": "Bearer abcdefghijk", "x": "2"}
    assert json.loads(event["body"]) == {"password": "hunter2", "quantity": 1}
    assert event["cookies"] == ["a=1"]
    assert masks_in(event) == []


def test_what_cannot_be_put_back_is_named() -> None:
    edited = {"moved": {"password": MASK}, "list": ["a", MASK]}

    assert masks_in(unmasked(edited, {"list": ["a"]})) == ["moved.password", "list.1"]


def test_a_value_nested_without_end_is_cut() -> None:
    value: Any = "x"
    for _ in range(500):
        value = [value]

    assert MASK in json.dumps(masked(value)[0])
