import json
import sys
import time
from collections.abc import Iterator

import boto3
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lampwork.metrics.embedded import EmbeddedMetrics
from lampwork.metrics.metrics import Metrics
from tests.emulator.lampwork_process import SampleProject

APP = """\
import json, os, time

def handler(event, context):
    print(json.dumps({
        "_aws": {"Timestamp": 0, "CloudWatchMetrics": [{
            "Namespace": "Shop", "Dimensions": [["plan"]],
            "Metrics": [{"Name": "OrdersPlaced", "Unit": "Count"}]}]},
        "plan": "pro", "OrdersPlaced": 3}))
    print("an ordinary line")
    return {"greeting": "hello"}

def fail(event, context):
    raise ValueError("on purpose")

def work():
    handler(0, 0)
    open("endpoint", "w").write(os.environ["AWS_ENDPOINT_URL"])
    time.sleep(600)
"""
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 5, CodeUri: .}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: "/hello/{name}"}}
  Fail:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.fail}
  Zero:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, ReservedConcurrentExecutions: 0}
  Orders:
    Type: AWS::SQS::Queue
    Properties: {QueueName: orders}
"""
CONFIG = f"""\
[tool.lampwork]
port = 0
services = ["aws"]
allowed_hosts = ["backend"]

[tool.lampwork.processes.worker]
run = ["{sys.executable}", "-c", "import app; app.work()"]
"""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    created = SampleProject(tmp_path_factory.mktemp("project"))
    (created.root / "app.py").write_text(APP)
    (created.root / "template.yaml").write_text(TEMPLATE)
    (created.root / "pyproject.toml").write_text(CONFIG)
    yield created
    created.close()


@pytest.fixture(scope="module")
def origin(project: SampleProject) -> str:
    """An emulator that has served some requests."""
    lampwork = project.up()
    origin = lampwork.origin()
    for path in ("/hello/ada", "/hello/bob", "/nowhere"):
        httpx.get(origin + path)
    for name in ("Fail", "Zero"):
        httpx.post(f"{origin}/2015-03-31/functions/{name}/invocations", content=b"{}")
    return origin


@pytest.fixture(scope="module")
def metrics(origin: str) -> httpx.Response:
    return httpx.get(f"{origin}/_lampwork/metrics")


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_prometheus_gets_its_text_format(metrics: httpx.Response) -> None:
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE lampwork_invocations_total counter" in metrics.text
    assert ("process_start_time_seconds", frozenset()) in samples(metrics.text)


def test_invocations_are_counted_by_function(metrics: httpx.Response) -> None:
    found = samples(metrics.text)

    assert found["lampwork_invocations_total", labels(function="Hello")] == 2
    assert found["lampwork_cold_starts_total", labels(function="Hello")] == 1
    assert found["lampwork_init_duration_seconds_count", labels(function="Hello")] == 1
    assert found["lampwork_invocation_duration_seconds_count", labels(function="Hello")] == 2
    assert found["lampwork_invocation_errors_total", labels(function="Fail")] == 1
    assert ("lampwork_invocation_errors_total", labels(function="Hello")) not in found


def test_throttles_are_counted_with_their_reason(metrics: httpx.Response) -> None:
    refused = labels(function="Zero", reason="reserved concurrency")

    assert samples(metrics.text)["lampwork_throttles_total", refused] == 1


def test_environments_are_shown_by_state(metrics: httpx.Response) -> None:
    found = samples(metrics.text)

    assert found["lampwork_environments", labels(function="Hello", state="idle")] == 1
    assert found["lampwork_environments", labels(function="Hello", state="busy")] == 0
    assert found["lampwork_environments", labels(function="Zero", state="idle")] == 0


def test_requests_are_counted_by_route_and_status_never_by_path(metrics: httpx.Response) -> None:
    found = samples(metrics.text)

    served = labels(method="GET", route="GET /hello/{name}", status="200")
    assert found["lampwork_http_requests_total", served] == 2
    nowhere = labels(method="GET", route="none", status="404")
    assert found["lampwork_http_requests_total", nowhere] == 1
    assert "ada" not in metrics.text


def test_printed_metrics_are_shown_as_metrics_and_not_in_the_log(
    project: SampleProject, origin: str
) -> None:
    # Two requests, and the worker's call at its start, which may not have arrived yet.
    orders = ("shop_orders_placed_total", labels(plan="pro"))
    deadline = time.monotonic() + 10
    while (found := samples(httpx.get(f"{origin}/_lampwork/metrics").text)[orders]) < 9:
        assert time.monotonic() < deadline
    assert found == 9
    assert any("Hello          an ordinary line" in line for line in project.started[0].output)
    assert not any("_aws" in line for line in project.started[0].output)


def test_a_queue_shows_how_full_it_is_and_for_how_long(project: SampleProject, origin: str) -> None:
    while not (project.root / "endpoint").exists():
        time.sleep(0.01)
    before = samples(httpx.get(f"{origin}/_lampwork/metrics").text)
    sqs = boto3.client(
        "sqs",
        endpoint_url=(project.root / "endpoint").read_text(),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]

    for body in ("one", "two"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url)

    after = samples(httpx.get(f"{origin}/_lampwork/metrics").text)
    assert before["lampwork_queue_oldest_message_age_seconds", labels(queue="orders")] == 0
    assert after["lampwork_queue_messages", labels(queue="orders", state="visible")] == 1
    assert after["lampwork_queue_messages", labels(queue="orders", state="in_flight")] == 1
    assert after["lampwork_queue_oldest_message_age_seconds", labels(queue="orders")] > 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
@pytest.mark.parametrize("path", ["/_lampwork/metrics", "/_lampwork/health"])
def test_a_page_in_a_browser_cannot_read_the_metrics(
    origin: str, path: str, headers: dict[str, str]
) -> None:
    response = httpx.get(origin + path, headers=headers)

    assert response.status_code == 403
    assert "lampwork_" not in response.text


def test_a_page_whose_name_resolves_to_this_machine_may_not_invoke_a_function(
    origin: str,
) -> None:
    response = httpx.post(
        f"{origin}/2015-03-31/functions/Hello/invocations", headers={"Host": "evil.example"}
    )

    assert response.status_code == 403


def test_a_page_may_not_open_a_socket_on_a_control_path(origin: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Origin": "http://evil.example",
    }

    assert httpx.get(f"{origin}/_lampwork/metrics", headers=upgrade).status_code == 403


@pytest.mark.parametrize(
    "host", ["backend:8000", "127.0.0.1", "[::1]:80", "app.localhost", "BACKEND"]
)
def test_programs_may_use_an_address_or_an_allowed_name(origin: str, host: str) -> None:
    assert httpx.get(f"{origin}/_lampwork/health", headers={"Host": host}).status_code == 200


def emf(**more: object) -> str:
    document = {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "My/App",
                    "Dimensions": [["service"], ["service", "Stage"]],
                    "Metrics": [
                        {"Name": "Latency", "Unit": "Milliseconds"},
                        {"Name": "PictureSize", "Unit": "Bytes"},
                    ],
                }
            ]
        },
        "service": "shop",
        "Stage": 'a"b\\c\nd',
        **more,
    }
    return json.dumps(document)


async def exposed(*lines: str) -> Samples:
    metrics = Metrics()
    for line in lines:
        assert metrics.embedded.record_line(line)
    return samples((await metrics.expose()).decode())


async def test_units_become_prometheus_base_units_with_the_most_detailed_dimensions() -> None:
    found = await exposed(emf(Latency=[100, 300]), emf(Latency=200, PictureSize=1024))

    of = labels(service="shop", stage='a"b\\c\nd')
    assert found["my_app_latency_seconds_count", of] == 3
    assert found["my_app_latency_seconds_sum", of] == pytest.approx(0.6)
    assert found["my_app_picture_size_bytes_sum", of] == 1024


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"_aws": 5}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "A", "Metrics": [{"Name": "B"}]}]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "A", "Metrics": [{}]}]}, "": 1}',
        '{"message": "an entry about \\"_aws\\""}',
        emf(Latency="slow"),
        emf(Latency=True),
        emf(Latency=[]),
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "A", "Metrics": [{"Name": ["B"]}]}]}}',
        '{"_aws": ' + 100_000 * "[",
    ],
)
def test_what_only_looks_like_metrics_stays_a_line_of_the_log(line: str) -> None:
    assert not EmbeddedMetrics().record_line(line)


async def test_a_printed_metric_cannot_take_the_name_of_another_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metric = {"Namespace": "lampwork", "Metrics": [{"Name": "Invocations", "Unit": "Count"}]}

    found = await exposed(json.dumps({"_aws": {"CloudWatchMetrics": [metric]}, "Invocations": 7}))

    assert not [name for name, _ in found if name.startswith("lampwork_invocations")]
    assert "a printed metric's name is already in use" in caplog.text
