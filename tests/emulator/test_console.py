"""The parts of the console that need no running functions: who may ask, and what is drawn."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from lampwork.console.asking import Ask, Refused
from lampwork.console.guard import refusal
from lampwork.console.html import e, joined
from lampwork.console.map.drawing import drawing
from lampwork.console.map.graph import graph_of, kind_of
from lampwork.http.request import Request
from lampwork.stack.model import (
    CloudResource,
    EventConfig,
    Function,
    HttpApi,
    HttpRoute,
    QueueTrigger,
    Stack,
)

HERE = "localhost:8000"
OWN = "http://localhost:8000"
QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:parcels"
ATTACK = "<script>alert(1)</script>\"'&"


def asked(
    method: str = "GET",
    *,
    host: str = HERE,
    peer: str = "127.0.0.1",
    secure: bool = False,
    body: bytes = b"",
    **headers: str,
) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method, "/_lampwork/", [("Host", host), *named], body, (peer, 1), secure)


@pytest.mark.parametrize(
    "host", [HERE, "127.0.0.1:8000", "[::1]:8000", "shop.localhost", "LOCALHOST"]
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_this_machine_may_look(host, peer):
    assert refusal(asked(host=host, peer=peer)) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evil.example:8000", "192.168.0.7", ""),
        *("abc.execute-api.us-east-1.amazonaws.com", "host.docker.internal"),
        *("0.0.0.0"),
    ],
)
def test_a_request_for_another_host_is_refused(host):
    assert refusal(asked(host=host)) is not None


@pytest.mark.parametrize("peer", ["192.168.0.7", "172.17.0.1", "fe80::1", "::ffff:10.0.0.1"])
def test_another_machine_is_refused(peer):
    assert refusal(asked(peer=peer)) is not None


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_request_that_a_proxy_forwards_is_refused(header):
    request = asked()
    request.headers.append((header, "203.0.113.9"))

    assert refusal(request) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_site_is_refused(method, site):
    assert refusal(asked(method, Origin=OWN, Sec_Fetch_Site=site)) is not None


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "http://evil.example", "http://localhost:3000", "http://127.0.0.1:8000"),
        *("https://localhost:8000", "http://localhost:8000.evil.example", "http://localhost"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_origin_is_refused(method, origin):
    assert refusal(asked(method, Origin=origin)) is not None


def test_an_action_needs_the_consoles_own_origin():
    assert refusal(asked("POST")) is not None
    assert refusal(asked("POST", Sec_Fetch_Site="same-origin")) is not None
    assert refusal(asked("POST", Origin=OWN)) is None
    assert refusal(asked("POST", Origin=OWN, Sec_Fetch_Site="same-origin")) is None
    assert refusal(asked("POST", secure=True, Origin="https://localhost:8000")) is None


def test_text_and_attributes_are_escaped():
    html = e("p", ATTACK, title=ATTACK)

    assert "<script>" not in html
    assert html == (
        '<p title="&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;">'
        "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;</p>"
    )
    assert joined([None, 3, e("br"), e("option", "a", selected=True, disabled=False)]) == (
        "3<br><option selected>a</option>"
    )


def test_a_form_with_a_file_is_read():
    body = (
        b'--x\r\nContent-Disposition: form-data; name="bucket"\r\n\r\nl\xc3\xa4bels\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x00\r\n\xff\r\n"
        b'--x\r\nContent-Disposition: form-data; name="none"; filename=""\r\n\r\n\r\n--x--\r\n'
    )

    ask = Ask.of(asked("POST", body=body, Content_Type="multipart/form-data; boundary=x"))

    assert ask.form == {"bucket": "läbels", "file-name": "a.bin"}
    assert ask.files == {"file": b"\x00\r\n\xff"}


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(200))])
def test_a_form_that_is_no_form_is_refused_or_read_as_text(body):
    try:
        ask = Ask.of(asked("POST", body=body))
    except Refused:
        return
    assert all(isinstance(each, str) for each in ask.form.values())


def test_a_number_of_the_query_has_bounds():
    ask = Ask(asked(), {"a": "7", "b": "-1", "c": "x", "d": "9" * 30})

    assert [ask.number(name, 1, 50) for name in "abcde"] == [7, 1, 1, 50, 1]


def shop(*resources: CloudResource, functions: Iterable[Function] = ()) -> Stack:
    order = Function(
        "Order",
        "shop-Order",
        "shop.handler",
        Path(),
        environment={"QUEUE_URL": "http://localhost/000000000000/parcels", "N": "1"},
    )
    pack = Function(
        "Pack", "shop-Pack", "shop.handler", Path(), on_event=EventConfig(on_failure=QUEUE_ARN)
    )
    return Stack(
        functions={each.logical_id: each for each in (order, pack, *functions)},
        http_apis=(HttpApi("Api", "abc", "$default", (HttpRoute("GET", "/orders", "Order"),)),),
        triggers=(QueueTrigger(QUEUE_ARN, "Pack"),),
        resources=(CloudResource("AWS::SQS::Queue", "Parcels", "parcels"), *resources),
    )


def edges(stack: Stack) -> set[tuple[str, str, bool]]:
    return {(each.source, each.target, each.uses) for each in graph_of(stack).edges}


def test_routes_triggers_destinations_and_variables_are_edges():
    assert edges(shop()) == {
        ("Api", "Order", False),
        ("Parcels", "Pack", False),
        ("Pack", "Parcels", False),
        ("Order", "Parcels", True),
    }


def test_what_a_resource_leads_to_is_an_edge():
    topic = "arn:aws:sns:us-east-1:000000000000:news"
    pack = "arn:aws:lambda:us-east-1:000000000000:function:shop-Pack"
    found = edges(
        shop(
            CloudResource("AWS::SNS::Topic", "News", "news"),
            CloudResource(
                "AWS::SNS::Subscription", "Sub", "", {"TopicArn": topic, "Endpoint": QUEUE_ARN}
            ),
            CloudResource("AWS::Events::EventBus", "Bus", "shop-bus"),
            CloudResource(
                "AWS::Events::Rule",
                "Rule",
                "rule",
                {"EventBusName": "shop-bus", "Targets": [{"Arn": pack}]},
            ),
        )
    )

    assert {("News", "Parcels", False), ("Bus", "Rule", False), ("Rule", "Pack", False)} <= found


def test_what_most_functions_name_is_said_once():
    others = [
        Function(f"F{n}", f"f{n}", "a.b", Path(), environment={"Q": "parcels"}) for n in range(5)
    ]

    graph = graph_of(shop(functions=others))

    assert graph.everywhere == ["Parcels"]
    assert not any(each.uses for each in graph.edges)


def test_the_console_is_loaded_only_for_who_looks():
    program = """
import sys
import lampwork.app.up, lampwork.front.server
print([name for name in sys.modules if name.startswith("lampwork.console")])
import lampwork.console.app
print([name for name in sys.modules if name in ("boto3", "botocore")])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines() == ["[]", "[]"]


def test_a_circle_can_be_drawn_and_names_are_escaped():
    evil = Function("<b>", "evil", "a.b", Path())

    picture = drawing(graph_of(shop(functions=[evil])))

    assert picture.count("<rect") == 5
    assert "&lt;b&gt;" in picture
    assert drawing(graph_of(Stack(functions={}))).startswith("<svg")


@pytest.mark.parametrize(
    ("resource_type", "kind"),
    [
        ("AWS::SQS::Queue", "SQS queue"),
        ("AWS::Events::EventBus", "Event bus"),
        ("AWS::Cognito::UserPoolClient", "Cognito user pool client"),
        ("Custom::Thing", "Thing"),
    ],
)
def test_a_type_reads_as_people_say_it(resource_type, kind):
    assert kind_of(resource_type) == kind
