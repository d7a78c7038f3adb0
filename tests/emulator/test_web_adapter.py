"""A function whose handler is a program that serves HTTP, with AWS's Lambda Web Adapter.

https://awslabs.github.io/aws-lambda-web-adapter/
"""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lampwork.runtime.programs.web_requests import (
    WebResponse,
    answer_of,
    is_of_gateway,
    request_of,
)
from lampwork.stack.handler_check import HandlerProblems
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import running
from tests.skips import needs_node

# A program without packages. It tells what it was asked, and closes each connection after a while.
SERVER = """\
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 0.3

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        told = {
            "method": self.command, "path": self.path, "body": self.rfile.read(length).decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = json.dumps(told).encode()
        self.send_response(503 if "broken" in self.path else 200)
        self.send_header("content-type", "application/json")
        self.send_header("set-cookie", "a=1")
        self.send_header("set-cookie", "b=2")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass

print("starting", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
V2 = {
    "rawPath": "/items/%C3%A9",
    "rawQueryString": "a=1&a=2",
    "cookies": ["x=1", "y=2"],
    "headers": {"host": "abc.execute-api", "x-told": "yes"},
    "requestContext": {"http": {"method": "GET"}, "apiId": "abc"},
    "isBase64Encoded": False,
}
V1 = {
    "httpMethod": "POST",
    "path": "/api/items",
    "multiValueQueryStringParameters": {"a": ["1", "2 3"]},
    "multiValueHeaders": {"Host": ["abc"], "X-Told": ["yes"]},
    "requestContext": {"apiId": "abc"},
    "body": base64.b64encode(b"content").decode(),
    "isBase64Encoded": True,
}


def web(folder: Path, run: str = "exec python server.py\n", **variables: str) -> Function:
    folder.mkdir(exist_ok=True)
    (folder / "server.py").write_text(SERVER)
    (folder / "run.sh").write_text(f"#!/bin/bash\n{run}")
    (folder / "run.sh").chmod(0o755)
    return Function(
        "App",
        "app",
        "run.sh",
        folder,
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "PORT": "8000", **variables},
        web_adapter=True,
        runs_wrapper=False,
    )


def told(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer["body"])
    return found


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "in place"])
async def test_events_of_a_gateway_are_requests_to_the_program(tmp_path, mounted):
    async with running(web(tmp_path / "code"), lambda_paths=mounted) as run:
        answer = await run.result(event=V2)
        asked = told(answer)

        assert (asked["method"], asked["path"]) == ("GET", "/items/%C3%A9?a=1&a=2")
        assert asked["headers"]["host"] == "abc.execute-api"
        assert asked["headers"]["cookie"] == "x=1; y=2"
        assert json.loads(asked["headers"]["x-amzn-request-context"]) == V2["requestContext"]
        context = json.loads(asked["headers"]["x-amzn-lambda-context"])
        assert context["env_config"]["function_name"] == "app"
        assert answer["cookies"] == ["a=1", "b=2"]
        assert answer["statusCode"] == 200
        await run.printed("starting")


async def test_payload_1_0_and_other_events_are_passed_on(tmp_path):
    app = web(tmp_path / "code", AWS_LWA_REMOVE_BASE_PATH="/api")

    async with running(app) as run:
        answer = await run.result(event=V1)
        asked = told(answer)
        assert (asked["method"], asked["path"]) == ("POST", "/items?a=1&a=2+3")
        assert asked["body"] == "content"
        assert answer["multiValueHeaders"]["set-cookie"] == ["a=1", "b=2"]

        other = await run.result(event={"Records": []})
        assert (other["method"], other["path"], other["body"]) == (
            "POST",
            "/events",
            '{"Records":[]}',
        )


async def test_several_environments_of_one_port_do_not_meet(tmp_path):
    one, other = web(tmp_path / "one"), web(tmp_path / "other")
    other = Function("Other", "other", "run.sh", other.code_dir, web_adapter=True)

    async with running(one, other) as run:
        first, second = await run.result("app", V2), await run.result("other", V2)

    names = [
        json.loads(told(each)["headers"]["x-amzn-lambda-context"])["env_config"]["function_name"]
        for each in (first, second)
    ]
    assert names == ["app", "other"]


async def test_a_status_that_means_failure_is_an_error_of_the_function(tmp_path):
    app = web(tmp_path / "code", AWS_LWA_ERROR_STATUS_CODES="500,502-504")

    async with running(app) as run:
        error = await run.error(event={**V2, "rawPath": "/broken"})

    assert error["errorMessage"] == "Request failed with configured error status code: 503"


async def test_a_program_that_ends_ends_the_init(tmp_path):
    async with running(web(tmp_path / "code", run="echo broken >&2\nexit 3\n")) as run:
        error = await run.error(event=V2)

        assert error["errorType"] == "Runtime.ExitError"
        await run.printed("broken")


@needs_node
async def test_a_program_of_node_runs_too(tmp_path):
    app = replace(web(tmp_path / "code", run="exec node server.js\n"), runtime="nodejs20.x")
    (app.code_dir / "server.js").write_text("""
        require("node:http")
          .createServer((request, response) => response.end(`node ${request.url}`))
          .listen(process.env.PORT);
        """)

    async with running(app, lambda_paths=True) as run:
        assert (await run.result(event=V2))["body"] == "node /items/%C3%A9?a=1&a=2"


def test_a_program_that_cannot_be_run_is_told_with_what_to_do(tmp_path):
    app = web(tmp_path)
    (tmp_path / "run.sh").chmod(0o644)
    said: list[str] = []

    HandlerProblems(said.append).tell([app])

    assert said == [f"{tmp_path}/run.sh cannot be run by App: try `chmod +x {tmp_path}/run.sh`."]


@pytest.mark.parametrize(
    ("headers", "is_text"),
    [
        ([("Content-Type", "application/vnd.api+json")], True),
        ([("Content-Type", "text/html")], True),
        ([], True),
        ([("Content-Type", "image/png")], False),
        ([("Content-Type", "application/json"), ("Content-Encoding", "gzip")], False),
    ],
)
def test_binary_bodies_are_base64(headers, is_text):
    answer = answer_of(V2, WebResponse(200, headers, b"abc"))

    assert (answer["body"], answer["isBase64Encoded"]) == (
        ("abc", False) if is_text else ("YWJj", True)
    )


def test_a_base_path_is_removed_once_and_only_as_a_segment():
    """https://awslabs.github.io/aws-lambda-web-adapter/configuration/environment-variables.html"""
    paths = ["/api/api/order", "/apiorder", "/api"]
    targets = [request_of({**V2, "rawPath": path}, "/api/").target for path in paths]

    assert [each.partition("?")[0] for each in targets] == ["/api/order", "/apiorder", "/"]


@pytest.mark.parametrize("event", [None, [], "text", {"Records": []}, {"requestContext": None}])
def test_other_events_are_no_requests(event):
    assert not is_of_gateway(event)
