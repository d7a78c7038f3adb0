import json

import pytest

from lampwork.events.target_input import NoInput, input_of

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
        ' "rule": <aws.events.rule-name>, "all": <aws.events.event.json>, "kept": "<unknown>"}',
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


RECORDED = {
    "version": "0",
    "id": "1",
    "detail-type": "core.update-account-command",
    "source": "core.update-account-command",
    "account": "111111111111",
    "time": "2026-11-23T12:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {
        "payload": {"acc_id": "0a787ecb-4015", "sf_id": "baz"},
        "listsingle": ["HIGH"],
        "listmulti": ["ACTIVE", "INACTIVE"],
        "valid": True,
    },
}
PATHS = {
    "userId": "$.detail.payload.acc_id",
    "payload": "$.detail.payload",
    "systemstring": "$.detail.awsAccountId",
    "listsingle": "$.detail.listsingle",
    "listmulti": "$.detail.listmulti",
    "valid": "$.detail.valid",
    "kind": "$.detail-type",
}


def recorded(template: str) -> str:
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    return input_of(target, RECORDED, rule_arn="arn:aws:events:r:1:rule/R", rule_name="R")


@pytest.mark.parametrize(
    ("template", "body"),
    [
        # A text is sent with its quotes; a value in it without any.
        ('"Command is <valid>!"', '"Command is true!"'),
        ('"Payload of <payload> with path users/<userId>"',
         '"Payload of {acc_id:0a787ecb-4015,sf_id:baz} with path users/0a787ecb-4015"'),
        ('"<listsingle> single list item"', '"[HIGH] single list item"'),
        ('"<listmulti> multiple list items"', '"[ACTIVE,INACTIVE] multiple list items"'),
        ('"<systemstring> system account id"', '" system account id"'),
        ('"<listsingle> one"\n"<userId> user id"', '"[HIGH] one"\n"0a787ecb-4015 user id"'),
        ('"{[/Check with <kind> type"', '"{[/Check with core.update-account-command type"'),
        # What leads nowhere is an empty text.
        ('{"kind": <kind>, "command": <systemstring>}',
         '{"kind": "core.update-account-command", "command": ""}'),
        ('{"singlelistitem": <listsingle>}', '{"singlelistitem": ["HIGH"]}'),
        ('{"multi": "users/<userId>/second/<userId>"}',
         '{"multi": "users/0a787ecb-4015/second/0a787ecb-4015"}'),
    ],
)  # fmt: skip
def test_an_input_is_as_recorded_on_aws(template: str, body: str) -> None:
    # https://github.com/localstack/localstack/blob/main/tests/aws/services/events/test_events_inputs.snapshot.json
    assert recorded(template) == body


def test_the_predefined_event_lacks_its_detail_and_the_json_one_has_it() -> None:
    # The same file, test_input_transformer_predefined_variables
    made = json.loads(recorded('{"a": <aws.events.event>, "b": <aws.events.event.json>}'))

    assert made["b"] == RECORDED
    assert made["a"].keys() == {
        *("id", "account", "detailType", "time", "source", "region", "resources", "version"),
    }


@pytest.mark.parametrize(
    "template",
    [
        '{"not_valid": "users-service/users/<payload>", "bod": <payload>}',
        '{"payload": "<payload>"}',
        '{"singlelistitem": "<listsingle>"}',
    ],
)
def test_a_list_or_an_object_within_quotes_of_json_sends_nothing(template: str) -> None:
    # The same file, test_input_transformer_nested_keys_replacement_not_valid
    with pytest.raises(NoInput):
        recorded(template)
