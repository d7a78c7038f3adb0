from functools import partial
from pathlib import Path

import pytest

from lampwork.config.variables import matching_variables
from lampwork.errors import FunctionNotFound
from lampwork.stack.model import (
    CloudResource,
    Function,
    HttpApi,
    HttpRoute,
    QueueTrigger,
    Schedule,
    Stack,
    WebSocketApi,
    WebSocketRoute,
)
from lampwork.stack.narrowing import select, without_triggers
from lampwork.triggers.registry import SOURCES


def function(name: str) -> Function:
    return Function(name, f"stack-{name}", "module.handler", Path("/code"))


STACK = Stack(
    functions={name: function(name) for name in ("Page", "Orders", "Socket")},
    http_apis=(
        HttpApi(
            "Api",
            "api",
            "$default",
            (HttpRoute("GET", "/", "Page"), HttpRoute("POST", "/orders", "Orders")),
        ),
    ),
    websocket_apis=(
        WebSocketApi(
            "Live",
            "live",
            "live",
            "$request.body.type",
            {"$default": WebSocketRoute("$default", "Socket")},
        ),
    ),
    triggers=(
        QueueTrigger("arn:aws:sqs:us-east-1:000000000000:orders", "Orders"),
        Schedule("Nightly", "nightly", "Page", "rate(1 day)"),
    ),
)


def test_only_what_leads_to_the_chosen_functions_is_kept():
    left = select(STACK, ["Page"], SOURCES)

    assert left.functions.keys() == {"Page"}
    assert [route.path for api in left.http_apis for route in api.routes] == ["/"]
    assert left.websocket_apis == ()
    assert left.triggers_of(QueueTrigger) == ()
    assert [schedule.name for schedule in left.triggers_of(Schedule)] == ["nightly"]


def arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:stack-{name}"


QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:orders"
RESOURCES = (
    CloudResource("AWS::SQS::Queue", "Jobs", "jobs"),
    CloudResource(
        "AWS::SNS::Subscription", "Told", "told", {"TopicArn": "a:news", "Endpoint": arn("Page")}
    ),
    CloudResource("AWS::SNS::Topic", "News", "news", {"Subscription": [{"Endpoint": arn("Page")}]}),
    CloudResource(
        "AWS::S3::Bucket",
        "Pictures",
        "pictures",
        {
            "NotificationConfiguration": {
                "LambdaConfigurations": [{"Event": "s3:*", "Function": arn("Page")}],
                "QueueConfigurations": [{"Queue": QUEUE_ARN}],
            }
        },
    ),
    CloudResource("AWS::Events::Rule", "Alone", "alone", {"Targets": [{"Arn": arn("Page")}]}),
    CloudResource(
        "AWS::Events::Rule", "Both", "both", {"Targets": [{"Arn": arn("Page")}, {"Arn": QUEUE_ARN}]}
    ),
)

STACK_OF_EVENTS = Stack(functions=STACK.functions, resources=RESOURCES)


@pytest.mark.parametrize(
    "narrow",
    [partial(without_triggers, sources=SOURCES), lambda stack: select(stack, ["Orders"], SOURCES)],
    ids=["api", "only"],
)
def test_topics_buckets_and_rules_invoke_no_function_that_is_left_out(narrow):
    left = {each.logical_id: each.properties for each in narrow(STACK_OF_EVENTS).resources}

    assert left == {
        "Jobs": {},
        "News": {"Subscription": []},
        "Pictures": {
            "NotificationConfiguration": {
                "LambdaConfigurations": [],
                "QueueConfigurations": [{"Queue": QUEUE_ARN}],
            }
        },
        "Both": {"Targets": [{"Arn": QUEUE_ARN}]},
    }


def test_topics_buckets_and_rules_still_invoke_the_chosen_functions():
    assert select(STACK_OF_EVENTS, ["Page"], SOURCES).resources == RESOURCES


def test_functions_are_chosen_by_their_names_too():
    left = select(STACK, ["stack-Socket"], SOURCES)

    assert left.functions.keys() == {"Socket"}
    assert left.websocket_apis == STACK.websocket_apis


def test_an_unknown_function_is_reported():
    with pytest.raises(FunctionNotFound, match="'Nobody'; the template has Orders, Page, Socket"):
        select(STACK, ["Nobody"], SOURCES)


def test_variables_are_inherited_by_pattern_and_case(monkeypatch):
    for name, value in {"SHOP_URL": "here", "SHOP": "no", "shop_url": "no", "TOKEN": "x"}.items():
        monkeypatch.setenv(name, value)

    assert matching_variables(["SHOP_*", "TOKEN"]) == {"SHOP_URL": "here", "TOKEN": "x"}
