import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from lampwork.cloud.reference_values import resolve
from lampwork.companions.aws import CREDENTIALS


class Manager:
    """A Secrets Manager that gives the same answer to everyone."""

    def __init__(self, answer: Mapping[str, object]) -> None:
        self._answer = answer

    def get_secret_value(self, **_: str) -> Mapping[str, object]:
        return self._answer


def refusing(service: Any) -> Any:
    """A client that refuses arguments as boto3 does; it has nobody to send a request to."""
    return boto3.client(
        service,
        endpoint_url="http://localhost:1",
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.mark.parametrize("reference", ["secretsmanager::SecretString:password", "ssm:"])
def test_a_reference_that_boto3_refuses_has_no_value(reference):
    clients: Any = refusing

    assert resolve([reference], clients) == {reference: None}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"SecretString": json.dumps({"password": 7})}, "7"),
        ({"SecretString": json.dumps({"user": "a"})}, None),
        ({"SecretString": "[1]"}, None),
        ({"SecretString": "plain"}, None),
        ({"SecretBinary": b"\0"}, None),
    ],
)
def test_the_member_of_a_secret_has_a_value_only_where_the_secret_is_such_an_object(answer, value):
    reference = "secretsmanager:db:SecretString:password"

    clients: Any = lambda service: Manager(answer)  # noqa: E731

    assert resolve([reference], clients) == {reference: value}
