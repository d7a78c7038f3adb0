"""The ARNs of what a request names, as policies name them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lampwork.stack.function_names import name_in
from lampwork.stack.model import ACCOUNT_ID

Given = Mapping[str, Any]


def arns(prefix: str, region: str, given: Given) -> list[str]:
    """What a request to this service names by what it is `given`; empty where that is not known."""
    find = FINDERS.get(prefix)
    if find is None:
        return []
    base = f"arn:aws:{prefix}:{region}:{ACCOUNT_ID}:"
    if prefix == "bedrock":  # its models are no account's
        base = f"arn:aws:bedrock:{region}::foundation-model/"
    whole = (each if each.startswith("arn:") else base + each for each in find(given))
    return list(dict.fromkeys(whole))


def _tables(given: Given) -> Iterator[str]:
    named = [given.get("TableName"), *_mapping(given.get("RequestItems"))]
    for item in _list(given.get("TransactItems")):
        named += [part.get("TableName") for part in _mapping(item).values()]
    for each in named:
        if each:
            table = each if each.startswith("arn:") else f"table/{each}"
            index = given.get("IndexName")
            yield f"{table}/index/{index}" if index else table


def _queues(given: Given) -> Iterator[str]:
    if url := given.get("QueueUrl"):
        yield str(url).rpartition("/")[2]
    elif name := given.get("QueueName"):
        yield str(name)


def _buses(given: Given) -> Iterator[str]:
    for entry in _list(given.get("Entries")):
        name = str(entry.get("EventBusName") or "default")
        yield name if name.startswith("arn:") else f"event-bus/{name}"


def _parameters(given: Given) -> Iterator[str]:
    for name in (given.get("Name"), given.get("Path"), *_list(given.get("Names"))):
        if name:
            yield f"parameter/{str(name).lstrip('/')}"


def _functions(given: Given) -> Iterator[str]:
    if name := given.get("FunctionName"):
        yield f"function:{name_in(str(name))}"


def _identities(given: Given) -> Iterator[str]:
    sender = str(given.get("FromEmailAddress") or given.get("Source") or "")
    address = sender.rpartition("<")[2].rstrip(">")
    if address:
        yield f"identity/{address}"


def _models(given: Given) -> Iterator[str]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html"""
    if model := given.get("modelId"):
        yield str(model)


def _named(kind: str, *keys: str) -> Callable[[Given], Iterator[str]]:
    """Finds names or ARNs under these keys; `kind` stands before a name."""

    def find(given: Given) -> Iterator[str]:
        for key in keys:
            if name := given.get(key):
                yield str(name) if str(name).startswith("arn:") else f"{kind}{name}"

    return find


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


FINDERS: Final[Mapping[str, Callable[[Given], Iterator[str]]]] = {
    "bedrock": _models,
    "cognito-idp": _named("userpool/", "UserPoolId"),
    "dynamodb": _tables,
    "events": _buses,
    "firehose": _named("deliverystream/", "DeliveryStreamName"),
    "kinesis": _named("stream/", "StreamARN", "StreamName"),
    "lambda": _functions,
    "secretsmanager": _named("secret:", "SecretId"),
    "ses": _identities,
    "sns": _named("", "TopicArn", "TargetArn", "ResourceArn"),
    "sqs": _queues,
    "ssm": _parameters,
    "states": _named("", "stateMachineArn", "executionArn", "activityArn"),
}
