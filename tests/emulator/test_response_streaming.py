"""Answers that reach the client while the function makes them: by function URLs, REST APIs and
Lambda's API, from programs behind the Lambda Web Adapter and from functions of Node.js.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
"""

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from tests.emulator.lampwork_process import TIMEOUT_SECONDS, LampworkProcess, SampleProject
from tests.emulator.stacks import read
from tests.skips import needs_node

LAYER = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:25"
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, Timeout: 60}}
Resources:
  Plain:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      InlineCode: "handler = lambda event, context: {'statusCode': 200, 'body': 'whole'}"
      Events:
        Rest:
          Type: Api
          Properties: {Path: /plain, Method: GET, ResponseTransferMode: RESPONSE_STREAM}
  Crowd:
    Type: AWS::Serverless::Function
    Properties:
      Handler: crowd.handler
      CodeUri: crowd/
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}
  Node:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: app.handler
      CodeUri: node/
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}
  Short:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Name: short
      EndpointConfiguration: {Types: [REGIONAL]}
      Body:
        openapi: 3.0.1
        paths:
          /{proxy+}:
            get:
              x-amazon-apigateway-integration:
                type: aws_proxy
                responseTransferMode: STREAM
                timeoutInMillis: 800
                uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/\
${Hasty.Arn}/response-streaming-invocations"
  ShortDeployment:
    Type: AWS::ApiGateway::Deployment
    Properties: {RestApiId: !Ref Short, StageName: short}
"""
WEB_FUNCTION = """\
  %s:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: %s/
      Handler: run.sh
      Timeout: %s
      Layers: [%s]
      Environment:
        Variables: {AWS_LAMBDA_EXEC_WRAPPER: /opt/bootstrap, AWS_LWA_INVOKE_MODE: response_stream}
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}
      Events:
        Rest:
          Type: Api
          Properties:
            {Path: "/%s/{proxy+}", Method: ANY, ResponseTransferMode: RESPONSE_STREAM}
        Http: {Type: HttpApi, Properties: {Path: "/whole/%s/{proxy+}", Method: ANY}}
"""
WEB_FUNCTIONS = (("Web", "web", 60), ("Late", "web", 1), ("Hasty", "web", 60), ("Chat", "chat", 60))
# It begins an answer and goes on once the test lets it, by the port that the query names.
WEB = """\
import os, socket, threading, time

HEAD = (
    b"HTTP/1.1 %d Status\\r\\ncontent-type: text/event-stream\\r\\nset-cookie: a=1\\r\\n"
    b"set-cookie: b=2\\r\\nx-many: 1\\r\\nx-many: 2\\r\\n"
)

def serve(client):
    received = b""
    while data := client.recv(65536):
        received += data
        while b"\\r\\n\\r\\n" in received:
            head, _, received = received.partition(b"\\r\\n\\r\\n")
            method, target = head.decode().split()[:2]
            answer(client, method, *target.partition("?")[::2])

def answer(client, method, path, query):
    kind = path.rpartition("/")[2]
    if kind == "never":
        os._exit(3)
    status = 204 if kind == "empty" else 201 if kind == "gated" else 200
    bodiless = status == 204 or method == "HEAD"
    if kind == "sized":
        body = b"data: one\\n\\ndata: two\\n\\n"
        client.sendall(HEAD % status + b"content-length: %d\\r\\n\\r\\n" % len(body) + body)
        return
    framing = b"" if bodiless else b"transfer-encoding: chunked\\r\\n"
    client.sendall(HEAD % status + framing + b"\\r\\n")
    if bodiless:
        return
    piece(client, b"data: one\\n\\n")
    if kind == "gated":
        with socket.create_connection(("127.0.0.1", int(query.removeprefix("gate=")))) as gate:
            gate.recv(1)
    if kind == "large":
        for _ in range(160):
            piece(client, b"x" * 65536)
    if kind == "ends":
        os._exit(3)
    if kind == "sleeps":
        time.sleep(60)
    piece(client, b"data: two\\n\\n")
    piece(client, b"")
    print("finished", kind, flush=True)

def piece(client, content):
    client.sendall(b"%x\\r\\n%s\\r\\n" % (len(content), content))

listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""
CHAT = """\
import asyncio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()

@app.get("/")
def ready():
    return "ready"

@app.post("/chat/tokens")
async def chat(question: dict[str, str], gate: int):
    async def tokens():
        yield f"data: {question['text']}\\n\\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", gate)
        await reader.read(1)
        writer.close()
        yield "data: [DONE]\\n\\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")
"""
# It streams as the Web Adapter's stand-in does, without a program that has to start.
CROWD = """\
import socket
from lampwork.runtime.client import answer_stream

def handler(event, context):
    answer_stream().begin_stream("text/plain")
    answer_stream().write_piece(b"one")
    port = int(event["queryStringParameters"]["gate"])
    with socket.create_connection(("127.0.0.1", port)) as gate:
        gate.recv(1)
    answer_stream().write_piece(b"two")
"""
NODE = """\
import net from "node:net";

const passed = (port) =>
  new Promise((resolve) => net.connect(port, "127.0.0.1").on("data", resolve).on("close", resolve));

export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const query = event.queryStringParameters ?? event;
  if (query.fails === "first") throw new TypeError("before the first piece");
  if (query.head) {
    stream = awslambda.HttpResponseStream.from(stream, {
      statusCode: 203, headers: { "x-told": "yes", "content-type": "text/plain" }, cookies: ["c=3"],
    });
  }
  stream.write("one ");
  if (query.fails) throw new TypeError("half-way");
  if (query.gate) await passed(Number(query.gate));
  stream.write("two");
  stream.end();
});
"""
WHOLE = b"data: one\n\ndata: two\n\n"


class Gate:
    """Where a function waits in the middle of its answer."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(TIMEOUT_SECONDS)
        self.port = self._listener.getsockname()[1]

    def let_on(self, number: int = 1) -> None:
        """Wait until so many are there, and let them go on."""
        waiting = [self._listener.accept()[0] for _ in range(number)]
        for each in waiting:
            each.sendall(b"x")
            each.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@dataclass
class Streaming:
    """`hosts` are those of functions' URLs."""

    lampwork: LampworkProcess
    origin: str
    hosts: dict[str, str]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @contextmanager
    def stream(
        self, method: str, path: str, function: str | None = None, **more: Any
    ) -> Iterator[httpx.Response]:
        """An answer under way, of a function's URL or of the APIs."""
        headers = {"Host": self.hosts[function]} if function else {}
        with httpx.stream(
            method, self.origin + path, headers=headers, timeout=TIMEOUT_SECONDS, **more
        ) as answer:
            yield answer

    @contextmanager
    def client(self) -> Iterator[Any]:
        client = boto3.client(
            "lambda",
            endpoint_url=self.origin,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
        yield client
        client.close()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    project = SampleProject.create(tmp_path_factory.mktemp("streaming"))
    project.edit("pyproject.toml", lambda text: text.replace('"redis"', ""))
    functions = [
        WEB_FUNCTION % (name, folder, timeout, LAYER, name.lower(), name.lower())
        for name, folder, timeout in WEB_FUNCTIONS
    ]
    (project.root / "template.yaml").write_text(TEMPLATE + "".join(functions))
    python = sys.executable
    files = {
        "web/server.py": WEB,
        "web/run.sh": f"#!/bin/sh\nexec {python} -SE server.py\n",
        "chat/app.py": CHAT,
        "chat/run.sh": f"#!/bin/sh\nexec {python} -m uvicorn --port $PORT app:app\n",
        "crowd/crowd.py": CROWD,
        "node/app.mjs": NODE,
    }
    for name, content in files.items():
        file = project.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
        file.chmod(0o755)
    lampwork = project.up()
    origin = lampwork.origin()
    stack = read(project.root / "template.yaml", project.root / "cache")
    hosts = {url.function: f"{url.url_id}.lambda-url.localhost" for url in stack.function_urls}
    yield Streaming(lampwork, origin, hosts)
    project.close()


def test_the_first_piece_of_a_url_comes_before_the_last_is_made(streaming, gate):
    with streaming.stream("GET", f"/gated?gate={gate.port}", "Web") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: one\n\n"
        gate.let_on()
        assert b"".join(pieces) == b"data: two\n\n"

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers.get_list("x-many") == ["1", "2"]
    assert answer.headers["x-amzn-requestid"]


def test_server_sent_events_come_through_a_rest_api_as_they_are_made(streaming, gate):
    with streaming.stream("GET", f"/Prod/web/gated?gate={gate.port}") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: one"
        gate.let_on()
        assert [each for each in lines if each] == ["data: two"]

    assert answer.status_code == 201
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-amz-apigw-id"]
    assert answer.headers["x-amzn-trace-id"].startswith("Root=")


@pytest.mark.parametrize(("path", "function"), [("", "Chat"), ("/Prod", None)])
def test_tokens_of_fastapi_come_one_by_one(streaming, gate, path, function):
    question = {"text": "why"}
    path = f"{path}/chat/tokens?gate={gate.port}"
    with streaming.stream("POST", path, function, json=question) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: why"
        gate.let_on()
        assert [each for each in lines if each] == ["data: [DONE]"]


def test_boto3_reads_the_chunks_of_a_stream_as_they_are_made(streaming, gate):
    event = {
        "requestContext": {"http": {"method": "GET"}},
        "rawPath": "/gated",
        "rawQueryString": f"gate={gate.port}",
    }
    with streaming.client() as client:
        answer = client.invoke_with_response_stream(
            FunctionName="Web", Payload=json.dumps(event), LogType="Tail"
        )
        events = iter(answer["EventStream"])
        received = b""
        while not received.endswith(b"data: one\n\n"):
            received += next(events)["PayloadChunk"]["Payload"]
        gate.let_on()
        *chunks, end = events
        answer["EventStream"].close()

    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-remapped-content-type"] == (
        "application/vnd.awslambda.http-integration-response"
    )
    head, _, body = received.partition(bytes(8))
    assert json.loads(head)["statusCode"] == 201
    assert json.loads(head)["cookies"] == ["a=1", "b=2"]
    body += b"".join(each["PayloadChunk"]["Payload"] for each in chunks)
    assert body == WHOLE
    assert "ErrorCode" not in end["InvokeComplete"]
    assert end["InvokeComplete"]["LogResult"]


def test_who_does_not_stream_gets_the_whole_answer(streaming):
    answer = httpx.get(f"{streaming.origin}/whole/web/two", timeout=TIMEOUT_SECONDS)

    assert (answer.status_code, answer.content) == (200, WHOLE)
    assert answer.headers["content-length"] == str(len(WHOLE))
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_invoke_gives_the_whole_answer_of_a_function_that_streams(streaming):
    event = {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/two"}
    with streaming.client() as client:
        answer = client.invoke(FunctionName="Web", Payload=json.dumps(event))
        told = json.loads(answer["Payload"].read())

    assert (told["statusCode"], told["body"]) == (200, WHOLE.decode())


@pytest.mark.parametrize("where", ["url", "rest"])
def test_a_program_that_ends_half_way_cuts_the_answer_off(streaming, where):
    path, function = ("/ends", "Hasty") if where == "url" else ("/Prod/hasty/ends", None)
    with streaming.stream("GET", path, function) as answer:
        pieces = answer.iter_raw()
        assert (answer.status_code, next(pieces)) == (200, b"data: one\n\n")
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)


def test_a_stream_that_fails_ends_with_an_error_code(streaming):
    event = {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/ends"}
    with streaming.client() as client:
        answer = client.invoke_with_response_stream(FunctionName="Hasty", Payload=json.dumps(event))
        *chunks, end = answer["EventStream"]
        answer["EventStream"].close()

    assert chunks[-1]["PayloadChunk"]["Payload"].endswith(b"data: one\n\n")
    assert end["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(end["InvokeComplete"]["ErrorDetails"])["errorType"]


@pytest.mark.parametrize(("path", "function"), [("/never", "Hasty"), ("/Prod/hasty/never", None)])
def test_a_failure_before_the_first_piece_is_a_status(streaming, path, function):
    with streaming.stream("GET", path, function) as answer:
        answer.read()

    assert answer.status_code == 502


def test_a_function_that_takes_too_long_is_cut_off_in_its_middle(streaming):
    with streaming.stream("GET", "/sleeps", "Late") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: one\n\n"
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)


def test_an_integration_that_takes_too_long_is_cut_off_and_the_function_runs_on(streaming, gate):
    with streaming.stream("GET", "/two", "Hasty") as answer:  # so that its start takes no time
        answer.read()
    with streaming.stream("GET", f"/short/gated?gate={gate.port}") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: one\n\n"
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    gate.let_on()

    streaming.lampwork.until("finished gated")


def test_a_function_runs_on_when_its_client_has_left(streaming, gate):
    with streaming.stream("GET", f"/gated?gate={gate.port}", "Web") as answer:
        next(answer.iter_raw())
    gate.let_on()

    streaming.lampwork.until("finished gated")


def test_a_large_stream_waits_for_a_slow_reader_and_is_whole(streaming):
    with streaming.stream("GET", "/large", "Web") as answer:
        pieces = answer.iter_raw()
        received = len(next(pieces))
        time.sleep(0.1)  # the function fills what there is of room
        received += sum(map(len, pieces))

    assert received == len(WHOLE) + 160 * 65536


def test_a_client_of_http_1_0_reads_until_the_connection_ends(streaming):
    with socket.create_connection(("127.0.0.1", streaming.port)) as client:
        host = streaming.hosts["Web"]
        client.sendall(b"GET /two HTTP/1.0\r\nHost: %b\r\n\r\n" % host.encode())
        with client.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == WHOLE


def test_a_connection_serves_the_next_request_after_a_stream(streaming):
    connection = http.client.HTTPConnection("127.0.0.1", streaming.port, timeout=TIMEOUT_SECONDS)
    for method, path, body in (
        *(("GET", "/two", WHOLE), ("HEAD", "/two", b""), ("GET", "/empty", b"")),
        *(("GET", "/sized", WHOLE), ("GET", "/sized", WHOLE), ("GET", "/two", WHOLE)),
    ):
        connection.request(method, path, headers={"Host": streaming.hosts["Web"]})
        assert connection.getresponse().read() == body
    connection.close()


def test_a_function_that_does_not_stream_is_an_error_where_a_stream_must_come(streaming):
    answer = httpx.get(f"{streaming.origin}/Prod/plain", timeout=TIMEOUT_SECONDS)

    assert answer.status_code == 502
    streaming.lampwork.until("The function does not stream")


def test_twenty_streams_at_once(streaming, gate):
    with ExitStack() as opened:
        answers = [
            opened.enter_context(streaming.stream("GET", f"/?gate={gate.port}", "Crowd"))
            for _ in range(20)
        ]
        pieces = [answer.iter_raw() for answer in answers]
        assert {next(each) for each in pieces} == {b"one"}
        gate.let_on(20)
        assert {b"".join(each) for each in pieces} == {b"two"}


@needs_node
def test_a_function_of_node_streams(streaming, gate):
    with streaming.stream("GET", f"/?gate={gate.port}&head=1", "Node") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"one "
        gate.let_on()
        assert b"".join(pieces) == b"two"

    assert (answer.status_code, answer.headers["x-told"]) == (203, "yes")
    assert answer.headers.get_list("set-cookie") == ["c=3"]


@needs_node
def test_a_stream_of_node_without_a_head_is_bytes(streaming):
    with streaming.stream("GET", "/", "Node") as answer:
        assert answer.read() == b"one two"

    assert (answer.status_code, answer.headers["content-type"]) == (
        *(200, "application/octet-stream"),
    )


@needs_node
def test_a_function_of_node_that_fails(streaming):
    with streaming.stream("GET", "/?fails=first", "Node") as answer:
        assert answer.status_code == 502
    with streaming.stream("GET", "/?fails=later", "Node") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"one "
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
