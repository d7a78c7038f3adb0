"""The records of a table's stream, as LocalStack recorded them on AWS.

https://github.com/localstack/localstack/blob/main/tests/aws/services/dynamodb/test_dynamodb.snapshot.json
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_dynamodbstreams.snapshot.json
"""

from typing import Any

import pytest

from lampwork.events.dynamodb_streams import record_of

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
