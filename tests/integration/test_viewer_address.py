"""The address of a viewer behind our own CloudFront distribution."""

import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from functions.auth import list_sessions, login
from lampwork.template.source.document import read_document
from tests.auth import EMAIL, PASSWORD, open_account
from tests.conftest import ROOT
from tests.http import http_event
from tests.skips import needs_node

SECRET, OTHER = "s3cret-of-the-origin-0123456789abcdef", "another-secret-of-0123456789abcdefghij"
EDGE, VIEWER = "130.176.1.2", "203.0.113.9"

Event = Callable[..., dict[str, Any]]


def of_rest_api(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    source_ip: str,
    json_body: Any = None,
) -> dict[str, Any]:
    """An event of a REST API, or of an HTTP API with payload format 1.0."""
    sent = {"Host": "abc.execute-api.us-east-1.amazonaws.com", **headers}
    if json_body is not None:
        sent["Content-Type"] = "application/json"
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "httpMethod": method,
            "path": f"/Prod{path}",
            "stage": "Prod",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": source_ip, "userAgent": "tests"},
        },
        "body": None if json_body is None else json.dumps(json_body),
        "isBase64Encoded": False,
    }


@pytest.fixture(params=[http_event, of_rest_api], ids=["HTTP API", "REST API"])
def event(request: pytest.FixtureRequest) -> Event:
    made: Event = request.param
    return made


def sign_in(event: Event, headers: Mapping[str, str], *, peer: str = EDGE) -> dict[str, Any]:
    body = {"email": EMAIL, "password": PASSWORD}
    return dict(
        login.handler(
            event("POST", "/api/v1/auth/login", headers=headers, source_ip=peer, json_body=body),
            None,
        )
    )


def seen(event: Event, headers: Mapping[str, str]) -> str:
    """The address that the owner's list of sign-ins shows for one with these headers."""
    token = json.loads(sign_in(event, headers)["body"])["access_token"]
    asked = {"authorization": f"Bearer {token}"}
    answer = list_sessions.handler(
        event("GET", "/api/v1/auth/sessions", headers=asked, source_ip=EDGE), None
    )
    (address,) = [each["ip"] for each in json.loads(answer["body"])["items"] if each["current"]]
    return str(address)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
@pytest.mark.parametrize("viewer", [VIEWER, "2001:db8:1:2::3"])
def test_the_viewer_that_our_distribution_names_is_the_client(
    application: pytest.MonkeyPatch, event: Event, secret: str, viewer: str
):
    application.setenv("ORIGIN_SECRETS", f"{SECRET} {OTHER}")
    open_account()

    assert seen(event, {"X-Origin-Secret": secret, "X-Viewer-Address": viewer}) == viewer


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Origin-Secret": ""},
        {"X-Origin-Secret": SECRET[:-1]},
        {"X-Origin-Secret": f"{SECRET},{SECRET}"},
        {"X-Origin-Secret": f"{SECRET} {OTHER}"},
        {"X-Origin-Secret": SECRET, "X-Viewer-Address": "somewhere"},
        {"X-Origin-Secret": SECRET, "X-Viewer-Address": f"{VIEWER},198.51.100.7"},
    ],
    ids=repr,
)
def test_whoever_comes_another_way_names_nobody(
    application: pytest.MonkeyPatch, event: Event, headers: dict[str, str]
):
    application.setenv("ORIGIN_SECRETS", f"{SECRET} {OTHER}")
    open_account()

    assert seen(event, {"X-Viewer-Address": VIEWER, **headers}) == EDGE


def test_without_a_secret_nobody_names_a_viewer(application: pytest.MonkeyPatch, event: Event):
    application.setenv("ORIGIN_SECRETS", " ")
    open_account()

    assert seen(event, {"X-Origin-Secret": "", "X-Viewer-Address": VIEWER}) == EDGE


def test_viewers_of_one_edge_do_not_share_a_limit(rate_limited: pytest.MonkeyPatch, event: Event):
    rate_limited.setenv("ORIGIN_SECRETS", SECRET)
    rate_limited.setenv("RATE_LIMIT_LOGIN_IP", "1/hour")
    open_account()
    statuses = [
        sign_in(event, {"X-Origin-Secret": SECRET, "X-Viewer-Address": viewer})["statusCode"]
        for viewer in (VIEWER, "198.51.100.7", VIEWER)
    ]

    assert statuses == [200, 200, 429]


@needs_node
@pytest.mark.parametrize("sent", [{}, {"x-viewer-address": {"value": "198.51.100.7"}}])
def test_the_function_at_the_edge_names_the_viewer_over_whatever_was_sent(sent: dict[str, Any]):
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html"""
    request = {
        "method": "POST",
        "uri": "/api/v1/auth/login",
        "querystring": {},
        "headers": {"host": {"value": "app.example.com"}, **sent},
        "cookies": {"device": {"value": "dv1_x"}},
    }
    event = {
        "version": "1.0",
        "context": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net",
            "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request",
            "requestId": "EXAMPLEntjQpEXAMPLE_SG5Z-EXAMPLEPmPfEXAMPLEu3EqEXAMPLE==",
        },
        "viewer": {"ip": VIEWER},
        "request": request,
    }

    named = {"x-viewer-address": {"value": VIEWER}}
    assert run_at_the_edge("ViewerAddress", event) == {
        **request,
        "headers": {**request["headers"], **named},  # type: ignore[dict-item]
    }


@needs_node
def test_the_function_at_the_edge_rewrites_the_address_of_a_socket():
    path = {"uri": "/ws/tasks/abc", "querystring": {"ticket": {"value": "t"}}, "headers": {}}
    other = {"uri": "/ws/tasks/a/b", "querystring": {}, "headers": {}}

    rewritten = run_at_the_edge("WebSocketPath", {"viewer": {"ip": VIEWER}, "request": path})

    query = {"ticket": {"value": "t"}, "task_id": {"value": "abc"}}
    assert rewritten == {"uri": "/live", "querystring": query, "headers": {}}
    assert run_at_the_edge("WebSocketPath", {"request": other})["statusCode"] == 404


def run_at_the_edge(function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """What a CloudFront function of the template returns, under Node.js."""
    code = read_document(ROOT / "template.yaml").resources[function]["Properties"]["FunctionCode"]
    program = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})));"
    ran = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    returned: dict[str, Any] = json.loads(ran.stdout)
    return returned
