import re

import pytest

from lampwork.events.websocket_api import (
    Connection,
    authorizer_event,
    connect_event,
    connect_headers,
    disconnect_event,
    error_frame,
    message_event,
    selected_route,
)
from lampwork.http.request import Request
from tests.emulator.fronts import websocket_api

ID = re.compile(r"[A-Za-z0-9_-]{15}=")
CONTEXT = {
    *("routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection", "stage"),
    *("connectedAt", "requestTimeEpoch", "identity", "requestId", "domainName", "connectionId"),
    "apiId",
}


def handshake(*headers: tuple[str, str]) -> Request:
    wire = [
        ("Host", "localhost:8000"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        *headers,
    ]
    return Request("GET", "/prod", wire, b"", ("203.0.113.9", 5000), False)


def connection(*headers: tuple[str, str]) -> Connection:
    return Connection.of(handshake(*headers), websocket_api("$connect"))


def connected(query: str = "", *headers: tuple[str, str]):
    return connect_event(connection(), connect_headers(handshake(*headers)), query, "request-id")


@pytest.mark.assertion(1, 2)
def test_a_connect_event_has_exactly_the_keys_of_the_service():
    event = connected()

    assert event.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert event["requestContext"].keys() == CONTEXT
    assert event["requestContext"]["eventType"] == "CONNECT"
    assert event["requestContext"]["routeKey"] == "$connect"


@pytest.mark.assertion(1)
def test_a_connect_event_has_query_maps_only_with_a_query():
    event = connected("a=1&a=2&b=%C3%A9")

    assert event["queryStringParameters"] == {"a": "2", "b": "é"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": ["é"]}


def test_a_connect_event_keeps_the_headers_case_and_hides_the_upgrade():
    event = connected("", ("Cookie", "a=1"), ("X-Twice", "1"), ("X-Twice", "2"))

    assert event["headers"]["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ=="
    assert event["headers"]["Cookie"] == "a=1"
    assert event["headers"]["X-Forwarded-For"] == "203.0.113.9"
    assert event["multiValueHeaders"]["X-Twice"] == ["1", "2"]
    assert {"connection", "upgrade"}.isdisjoint(name.lower() for name in event["headers"])


@pytest.mark.assertion(5)
def test_an_authorizer_is_asked_with_exactly_the_keys_of_the_service():
    event = authorizer_event(connection(), handshake(), "", "request-id", "arn:the-method")

    assert event.keys() == {
        *("type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters"),
        *("multiValueQueryStringParameters", "stageVariables", "requestContext"),
    }
    assert (event["type"], event["methodArn"]) == ("REQUEST", "arn:the-method")
    assert event["queryStringParameters"] == event["multiValueQueryStringParameters"] == {}
    assert event["stageVariables"] == {}
    assert event["requestContext"].keys() == CONTEXT
    assert event["headers"]["Connection"] == "upgrade"
    assert event["headers"]["Upgrade"] == "websocket"
    assert event["headers"]["content-length"] == "0"


@pytest.mark.assertion(3)
def test_a_message_event_has_exactly_the_keys_of_the_service():
    event = message_event(connection(), "send", "hello", "request-id")

    assert event.keys() == {"requestContext", "body", "isBase64Encoded"}
    assert event["requestContext"].keys() == CONTEXT | {"messageId"}
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)


@pytest.mark.assertion(4)
def test_a_disconnect_event_has_exactly_the_keys_of_the_service():
    event = disconnect_event(connection(), 4001, "bye")

    assert event.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert event["headers"].keys() == {"Host", "x-api-key", "X-Forwarded-For", "x-restapi"}
    assert event["requestContext"].keys() == CONTEXT | {"disconnectStatusCode", "disconnectReason"}
    assert event["requestContext"]["disconnectStatusCode"] == 4001
    assert event["requestContext"]["disconnectReason"] == "bye"


def test_a_close_without_code_has_the_reason_of_the_service():
    context = disconnect_event(connection(), 1005, "")["requestContext"]

    assert context["disconnectReason"] == "Client-side close frame status not set"


@pytest.mark.assertion(6)
def test_ids_look_like_those_of_the_service_and_the_two_request_ids_are_one():
    about = connection()

    context = message_event(about, "$default", "", about.id)["requestContext"]

    assert ID.fullmatch(context["connectionId"])
    assert ID.fullmatch(context["messageId"])
    assert context["requestId"] == context["extendedRequestId"]


@pytest.mark.assertion(6)
def test_the_time_of_the_connection_is_the_same_in_all_its_events():
    about = connection()

    contexts = [
        connect_event(about, [], "", "r")["requestContext"],
        message_event(about, "$default", "", "r")["requestContext"],
        disconnect_event(about, 1000, "")["requestContext"],
    ]

    assert {context["connectedAt"] for context in contexts} == {about.connected_at.epoch_ms}
    assert all(c["requestTimeEpoch"] >= c["connectedAt"] for c in contexts)


def test_the_user_agent_is_left_out_when_the_client_sent_none():
    assert connection().identity == {"sourceIp": "203.0.113.9"}
    assert connection(("User-Agent", "wscat")).identity["userAgent"] == "wscat"


@pytest.mark.assertion(9)
def test_an_error_frame_is_that_of_the_service_byte_for_byte():
    assert error_frame("Forbidden", "eHrdFcnvvHcCE-w=", "eHrjDEuVPHcFWMg=") == (
        '{"message": "Forbidden", "connectionId":"eHrdFcnvvHcCE-w=", '
        '"requestId":"eHrjDEuVPHcFWMg="}'
    )


@pytest.mark.parametrize(
    ("expression", "body", "key"),
    [
        ("$request.body.action", '{"action": "send"}', "send"),
        ("${request.body.action}", '{"action": "send"}', "send"),
        ("$request.body.message.type", '{"message": {"type": "join"}}', "join"),
        ("${request.body.a}-${request.body.b}", '{"a": "x"}', "x-"),
        ("$request.body.action", '{"action": true}', "true"),
        ("$request.body.action", '{"action": 3}', "3"),
        ("$request.body.action", '{"other": 1}', None),
        ("$request.body.action", '["action"]', None),
        ("$request.body.action", "not json", None),
        ("$request.body.action", "[" * 100_000, None),
        ("$request.body.action", '{"action": "$connect"}', None),
    ],
)
def test_the_selection_expression_finds_the_route_key(expression, body, key):
    assert selected_route(expression, body) == key
