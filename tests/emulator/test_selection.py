from pathlib import Path

import pytest

from lampwork.errors import FunctionNotFound
from lampwork.model import (
    Function,
    HttpApi,
    HttpRoute,
    QueueTrigger,
    Schedule,
    Stack,
    WebSocketApi,
    WebSocketRoute,
)
from lampwork.selection import select
from lampwork.variables import chosen


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
    queue_triggers=(QueueTrigger("arn:aws:sqs:us-east-1:000000000000:orders", "Orders"),),
    schedules=(Schedule("Nightly", "nightly", "Page", "rate(1 day)"),),
)


def test_only_what_leads_to_the_chosen_functions_is_left():
    left = select(STACK, ["Page"])

    assert left.functions.keys() == {"Page"}
    assert [route.path for api in left.http_apis for route in api.routes] == ["/"]
    assert left.websocket_apis == ()
    assert left.queue_triggers == ()
    assert [schedule.name for schedule in left.schedules] == ["nightly"]


def test_functions_are_chosen_by_their_names_too():
    left = select(STACK, ["stack-Socket"])

    assert left.functions.keys() == {"Socket"}
    assert left.websocket_apis == STACK.websocket_apis


def test_an_unknown_function_is_told():
    with pytest.raises(FunctionNotFound, match="'Nobody'; the template has Orders, Page, Socket"):
        select(STACK, ["Nobody"])


def test_variables_are_inherited_by_pattern_and_case(monkeypatch):
    for name, value in {"SHOP_URL": "here", "SHOP": "no", "shop_url": "no", "TOKEN": "x"}.items():
        monkeypatch.setenv(name, value)

    assert chosen(["SHOP_*", "TOKEN"]) == {"SHOP_URL": "here", "TOKEN": "x"}
