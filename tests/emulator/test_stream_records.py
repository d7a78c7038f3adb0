"""The records of a table's stream, as LocalStack recorded them on AWS.

https://github.com/localstack/localstack/blob/main/tests/aws/services/dynamodb/test_dynamodb.snapshot.json
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_dynamodbstreams.snapshot.json
"""

from functools import partial
from typing import Any

import pytest

from lampwork.events.dynamodb_streams import kinesis_record_of, record_of

Attributes = dict[str, Any]

FRED: Attributes = {"id": {"S": "Fred"}}
HELLO: Attributes = {"my_partition_key": {"S": "hello world"}}
FAILS: Attributes = {"my_partition_key": {"S": "testId5"}}
NUMBER: Attributes = {"id": {"S": "id_value_1"}}


@pytest.mark.parametrize(
    ("keys", "old", "new", "size"),
    [
        pytest.param(FRED, None, FRED, 12, id="the key and the new image count"),
        pytest.param(FRED, FRED, {**FRED, "name": {"S": "Fred"}}, 26, id="and the old one"),
        pytest.param(HELLO, None, {**HELLO, "binary_key": {"B": "Zm9vYmFy"}}, 70, id="raw bytes"),
        pytest.param(FAILS, None, {**FAILS, "should_fail": {"BOOL": True}}, 58, id="a truth value"),
        pytest.param(NUMBER, None, {**NUMBER, "numericFilter": {"N": "42"}}, 39, id="two digits"),
    ],
)
def test_size_bytes_counts_keys_and_images_as_aws_does(
    keys: Attributes, old: Attributes | None, new: Attributes | None, size: int
) -> None:
    record = record_of(keys, old, new, view="NEW_AND_OLD_IMAGES", sequence=1, region="us-east-1")
    assert record["dynamodb"]["SizeBytes"] == size


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"NULL": True}, 1),
        ({"S": "é"}, 2),
        ({"SS": ["a", "bc"]}, 3),
        ({"BS": ["AQ==", "AgM="]}, 3),
        ({"NS": ["1", "-12.30"]}, 5),
        ({"L": []}, 3),
        ({"L": [{"S": "a"}, {"BOOL": False}]}, 3 + 2 + 2),
        ({"M": {"ab": {"N": "0"}}}, 3 + 1 + 2 + 1),
    ],
)
def test_an_attribute_has_the_documented_size(value: Attributes, size: int) -> None:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    record = record_of({}, None, {"": value}, view="NEW_IMAGE", sequence=1, region="us-east-1")
    assert record["dynamodb"]["SizeBytes"] == size


# https://github.com/kyopark2014/data-analytics-for-businfo/blob/main/examples.md
BUS: Attributes = {"Timestamp": {"S": "1649931248"}, "RouteId": {"S": "227000019"}}
SEATS: Attributes = {"RemainSeatCnt": {"S": "37"}, "PredictTime": {"S": "7"}}
PLATE: Attributes = {"PlateNo": {"S": "\uacbd\uae3075\uc7908505"}}


def test_a_change_in_kinesis_has_the_fields_and_the_size_that_were_captured_on_aws() -> None:
    record = dict(
        kinesis_record_of(
            BUS,
            None,
            {**BUS, **SEATS, **PLATE},
            table="dynamodb-businfo",
            precision="MILLISECOND",
            region="ap-northeast-2",
        )
    )
    change = record.pop("dynamodb")
    assert len(record.pop("eventID")) == len("efc0eed8-b1ce-4b89-9252-abd36ed6a1a6")
    assert record == {
        "awsRegion": "ap-northeast-2",
        "eventName": "INSERT",
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "dynamodb-businfo",
        "eventSource": "aws:dynamodb",
    }
    assert len(str(change.pop("ApproximateCreationDateTime"))) == len("1649931248740")
    assert change == {
        "Keys": BUS,
        "NewImage": {**BUS, **SEATS, **PLATE},
        "SizeBytes": 119,
        "ApproximateCreationDateTimePrecision": "MILLISECOND",
    }


def test_a_change_in_kinesis_holds_the_item_before_and_after_it() -> None:
    # https://docs.aws.amazon.com/powertools/typescript/2.15.0/api/types/_aws-lambda-powertools_parser.types.KinesisDynamoDBStreamEvent.html
    # ClickHouse's guide from Rockset says when there is which image.
    old, new = {**FRED, "n": {"N": "1"}}, {**FRED, "n": {"N": "2"}}
    record = partial(kinesis_record_of, table="rows", precision="MICROSECOND", region="us-east-1")
    modified, removed = record(FRED, old, new), record(FRED, old, None)
    assert modified["eventName"] == "MODIFY"
    assert (modified["dynamodb"]["OldImage"], modified["dynamodb"]["NewImage"]) == (old, new)
    assert removed["eventName"] == "REMOVE"
    assert "NewImage" not in removed["dynamodb"]
    assert len(str(removed["dynamodb"]["ApproximateCreationDateTime"])) == len("1720740233012995")
