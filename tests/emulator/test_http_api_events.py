import base64
import json
import re

import pytest

from lampwork.errors import MalformedPath
from lampwork.events.http_api import MalformedResponse, http_event, http_response
from lampwork.events.identifiers import Moment, new_id
from lampwork.http.request import Request
from lampwork.stack.model import HttpRoute
from tests.emulator.fronts import http_api

MOMENT = Moment(1587481701067)
KEYS = {
    "version",
    "routeKey",
    "rawPath",
    "rawQueryString",
    "headers",
    "requestContext",
    "isBase64Encoded",
}


def event_of(
    method="GET",
    target="/pets/6",
    headers=(),
    body=b"",
    secure=False,
    stage="$default",
    **parameters,
):
    wire = [("Host", "localhost:8000"), *headers]
    request = Request(method, target, wire, body, ("203.0.113.9", 5000), secure)
    api = http_api(stage=stage)
    route = HttpRoute("GET", "/pets/{id}", function="pets")
    return http_event(request, api, route, parameters, request_id=new_id(), moment=MOMENT)


@pytest.mark.assertion(7)
def test_a_bare_request_has_exactly_the_keys_of_the_service():
    event = event_of()

    assert event.keys() == KEYS
    assert event["requestContext"].keys() == {
        *("accountId", "apiId", "domainName", "domainPrefix", "http"),
        *("requestId", "routeKey", "stage", "time", "timeEpoch"),
    }
    assert event["requestContext"]["http"].keys() == {
        *("method", "path", "protocol", "sourceIp", "userAgent"),
    }


def test_the_context_says_who_requested_what_and_when():
    event = event_of(headers=[("User-Agent", "curl/8")])
    context = event["requestContext"]

    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"] == "GET /pets/{id}"
    assert event["rawQueryString"] == ""
    assert context["http"] == {
        "method": "GET",
        "path": "/pets/6",
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.9",
        "userAgent": "curl/8",
    }
    assert (context["domainName"], context["domainPrefix"]) == ("localhost:8000", "localhost")
    assert (context["time"], context["timeEpoch"]) == ("21/Apr/2020:15:08:21 +0000", 1587481701067)
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", context["requestId"])


@pytest.mark.assertion(7)
def test_header_names_are_lower_case_and_repeated_values_joined():
    headers = event_of(headers=[("Accept", "a"), ("ACCEPT", "b"), ("Connection", "close")])[
        "headers"
    ]

    assert headers["accept"] == "a,b"
    assert headers["host"] == "localhost:8000"
    assert "connection" not in headers
    assert all(name == name.lower() for name in headers)


def test_the_gateway_adds_where_the_request_came_from():
    headers = event_of(secure=True)["headers"]

    assert headers["x-forwarded-for"] == "203.0.113.9"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-port"] == "8000"
    assert headers["content-length"] == "0"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers["x-amzn-trace-id"])


def test_the_forwarding_headers_of_a_proxy_in_front_are_kept():
    forwarded = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https")]

    headers = event_of(headers=forwarded)["headers"]

    assert headers["x-forwarded-for"] == "198.51.100.7, 203.0.113.9"
    assert headers["x-forwarded-proto"] == "https"


def test_cookies_have_a_list_of_their_own():
    event = event_of(headers=[("Cookie", "a=1; b=2"), ("cookie", "c=3")])

    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_query_values_are_decoded_and_joined_while_the_raw_query_is_unchanged():
    event = event_of(target="/pets/6?a=1&a=%C3%A9&empty=&plus=a+b")

    assert event["rawQueryString"] == "a=1&a=%C3%A9&empty=&plus=a+b"
    assert event["queryStringParameters"] == {"a": "1,é", "empty": "", "plus": "a b"}


def test_the_raw_path_includes_a_named_stage():
    event = event_of(target="/prod/pets/6", stage="prod", id="6")

    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/prod/pets/6"
    assert event["requestContext"]["stage"] == "prod"
    assert event["pathParameters"] == {"id": "6"}


# Recorded on AWS: hotsock/voker, vokerhttp/testdata/ingress-paths.json.
@pytest.mark.parametrize(
    ("sent", "delivered"),
    [
        ("/capture/plain", "/capture/plain"),
        ("/capture/space%20value", "/capture/space value"),
        ("/capture/question%3Fvalue", "/capture/question"),
        ("/capture/hash%23value", "/capture/hash#value"),
        ("/capture/slash%2Fvalue", "/capture/slash/value"),
        ("/capture/%CE%BB-%E4%B8%96", "/capture/λ-世"),
        ("/capture/literal%252Fvalue", "/capture/literal/value"),
        ("/capture/literal%253Fvalue", "/capture/literal?value"),
        ("/capture/literal%2525value", "/capture/literal%value"),
    ],
)
def test_the_path_is_delivered_decoded(sent, delivered):
    event = event_of(target=f"{sent}?value=a%3Fb")

    assert event["rawPath"] == event["requestContext"]["http"]["path"] == delivered
    assert event["rawQueryString"] == "value=a%3Fb"


def test_a_path_whose_escapes_are_incomplete_cannot_be_delivered():
    """hotsock/voker, vokerhttp/testdata/ingress-paths.json: AWS answers 400"""
    with pytest.raises(MalformedPath, match="incomplete escape"):
        event_of(target="/capture/percent%25done")


TEXT = ["text/plain", "application/json", "Application/JSON; charset=utf-8", "application/xml"]
BINARY = ["application/x-www-form-urlencoded", "application/problem+json", "image/png", None]


@pytest.mark.parametrize("content_type", TEXT)
@pytest.mark.assertion(8)
def test_a_body_of_a_text_type_is_a_string(content_type):
    event = event_of(headers=[("Content-Type", content_type)], body="é".encode())

    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


def test_a_text_that_is_not_utf8_reaches_the_function_as_it_came():
    event = event_of(headers=[("Content-Type", "application/json")], body=b'"\xff"')

    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b'"\xff"', True)


def test_cookies_are_told_apart_without_changing_their_names():
    event = event_of(headers=[("Cookie", "a=1;\t b=2 ; \u00a0c=3; \x85d=4;")])

    assert event["cookies"] == ["a=1", "b=2", "\u00a0c=3", "\x85d=4"]


@pytest.mark.parametrize("content_type", BINARY)
@pytest.mark.parametrize("body", [b"text", b"\x00\xff"])
@pytest.mark.assertion(8)
def test_any_other_body_is_base64(content_type, body):
    headers = [("Content-Type", content_type)] if content_type else []

    event = event_of(headers=headers, body=body)

    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)


@pytest.mark.parametrize("content_type", [*TEXT, *BINARY])
@pytest.mark.assertion(8)
def test_an_empty_body_has_no_key(content_type):
    event = event_of(headers=[("Content-Type", content_type)] if content_type else [])

    assert "body" not in event
    assert event["isBase64Encoded"] is False


def response_of(answer):
    return http_response(json.dumps(answer).encode())


def test_a_structured_answer_becomes_the_response():
    response = response_of(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Count": 3, "Content-Length": "999"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "<p>é</p>",
            "unknown": "ignored",
        }
    )

    assert (response.status, response.body) == (201, "<p>é</p>".encode())
    assert response.headers == [
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
        ("Content-Type", "text/html"),
        ("X-Count", "3"),
    ]


def test_a_base64_body_is_decoded():
    answer = {"statusCode": "200", "isBase64Encoded": True, "body": "AP8="}

    assert response_of(answer).body == b"\x00\xff"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ({"any": "thing"}, b'{"any": "thing"}'),
        ([1, 2], b"[1, 2]"),
        ("plain", b"plain"),
        (None, b"null"),
    ],
)
def test_an_answer_without_status_is_sent_as_json(answer, body):
    response = response_of(answer)

    assert (response.status, response.body) == (200, body)
    assert ("content-type", "application/json") in response.headers


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": None},
        {"statusCode": "ok"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"not": "a string"}},
        {"statusCode": 200, "isBase64Encoded": True, "body": "é"},
        {"statusCode": 200, "isBase64Encoded": True, "body": "not base64!"},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "cookies": 1},
        {"statusCode": 200, "headers": {"X-Split": "a\r\nSet-Cookie: b=2"}},
    ],
)
def test_an_answer_no_gateway_can_send_is_malformed(answer):
    with pytest.raises(MalformedResponse):
        response_of(answer)
