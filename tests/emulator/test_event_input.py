import json

import pytest

from lampwork.events.target_input import input_of

EVENT = {
    "id": "1",
    "time": "2026-11-23T12:00:00Z",
    "detail": {"name": 'Ada "Countess"', "items": [{"price": 7}]},
}


def made(**target: object) -> object:
    return json.loads(input_of(target, EVENT, rule_arn="arn:aws:events:r:1:rule/R", rule_name="R"))


def test_a_target_without_an_input_gets_the_event():
    assert made() == EVENT


def test_a_constant_replaces_the_event():
    assert made(Input='{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("path", "part"),
    [("$.detail.items[0]", {"price": 7}), ("$.detail['name']", 'Ada "Countess"'), ("$.none", None)],
)
def test_a_path_gives_a_part(path, part):
    assert made(InputPath=path) == part


def test_a_transformer_inserts_values_and_quotes_them_within_text():
    transformer = {
        "InputPathsMap": {"who": "$.detail.name", "price": "$.detail.items[0].price"},
        "InputTemplate": '{"who": <who>, "price": <price>, "say": "<who> pays <price>",'
        ' "rule": <aws.events.rule-name>, "all": <aws.events.event>, "kept": "<unknown>"}',
    }

    assert made(InputTransformer=transformer) == {
        "who": 'Ada "Countess"',
        "price": 7,
        "say": 'Ada "Countess" pays 7',
        "rule": "R",
        "all": EVENT,
        "kept": "<unknown>",
    }


def test_a_template_in_text_becomes_a_json_string():
    transformer = {"InputPathsMap": {"id": "$.id"}, "InputTemplate": '"event <id>"'}

    assert made(InputTransformer=transformer) == "event 1"
