"""Orders come in by a REST API that needs no function: an API key, a validator, a model and mapping
templates stand before SQS, DynamoDB, SNS, EventBridge, Step Functions, S3 and Kinesis."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until

HTTP = Path(sys.executable).with_name("http")
ORDER = {"id": "o 1", "items": [{"sku": "a"}, {"sku": "b"}]}


@pytest.fixture(scope="module")
def intake(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "intake", tmp_path_factory.mktemp("projects")) as intake:
        intake.up()
        yield intake


@pytest.fixture(scope="module")
def key(intake: Project) -> str:
    """The key's value, as a user of AWS finds it."""
    gateway = client(intake, "apigateway")
    (found,) = gateway.get_api_keys(nameQuery="partner")["items"]
    value: str = gateway.get_api_key(apiKey=found["id"], includeValue=True)["value"]
    return value


def client(intake: Project, service: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(service, **intake.aws)


def call(intake: Project, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{intake.origin}/v1{path}", timeout=30, **options)


def test_an_order_passes_the_checks_and_reaches_the_table(intake: Project, key: str) -> None:
    command = [str(HTTP), "--ignore-stdin", "--check-status", "POST", f"{intake.origin}/v1/orders"]
    headers = [f"x-api-key:{key}", "X-Tenant:acme"]
    fields = ["id=o 1", 'items:=[{"sku": "a"}, {"sku": "b"}]']
    sent = subprocess.run([*command, *headers, *fields], check=True, capture_output=True)

    assert set(json.loads(sent.stdout)) == {"message"}
    until(lambda: call(intake, "GET", "/orders/o%201").status_code == 200)
    order = call(intake, "GET", "/orders/o%201").json()
    assert order == {"id": "o 1", "items": 2, "tenant": "acme"}


def test_an_order_that_is_not_known_is_not_found(intake: Project) -> None:
    answer = call(intake, "GET", "/orders/nobody")

    assert (answer.status_code, answer.json()) == (404, {"message": "no order nobody"})


def test_what_does_not_pass_the_checks_is_refused(intake: Project, key: str) -> None:
    tenant = {"x-api-key": key, "X-Tenant": "acme"}

    without_key = call(intake, "POST", "/orders", json=ORDER, headers={"X-Tenant": "acme"})
    assert (without_key.status_code, without_key.json()) == (403, {"message": "Forbidden"})
    empty = call(intake, "POST", "/orders", json={"id": "o", "items": []}, headers=tenant)
    assert (empty.status_code, empty.json()) == (400, {"message": "Invalid request body"})
    nobody = call(intake, "POST", "/orders", json=ORDER, headers={"x-api-key": key})
    message = "Missing required request parameters: [X-Tenant]"
    assert (nobody.status_code, nobody.json()) == (400, {"message": message})


def test_a_key_whose_quota_is_used_up_is_refused(intake: Project, key: str) -> None:
    for _ in range(6):
        answer = call(intake, "POST", "/orders", json={}, headers={"x-api-key": key})

    assert (answer.status_code, answer.json()) == (429, {"message": "Limit Exceeded"})


def test_a_topic_an_event_bus_a_machine_and_a_stream_take_what_is_mapped(intake: Project) -> None:
    kinesis = client(intake, "kinesis")
    if "records" not in kinesis.list_streams()["StreamNames"]:
        kinesis.create_stream(StreamName="records", ShardCount=1)

    news = call(intake, "POST", "/news", json={"text": "hello, you & all"}).json()
    event = call(intake, "POST", "/events", json={"id": "e1"}).json()
    run = call(intake, "POST", "/runs", json={"n": 'a "quoted" word'}).json()
    record = call(intake, "POST", "/records", json={"r": 1}).json()

    sqs = client(intake, "sqs")
    url = sqs.get_queue_url(QueueName="letters")["QueueUrl"]
    (letter,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert (news["id"] != "", letter["Body"]) == (True, "hello, you & all")
    assert event["FailedEntryCount"] == 0
    until(lambda: call(intake, "GET", "/orders/e1").status_code == 200)
    states = client(intake, "stepfunctions")
    execution = states.describe_execution(executionArn=run["executionArn"])
    assert json.loads(execution["input"]) == {"n": 'a "quoted" word'}
    assert {"SequenceNumber", "ShardId"} <= record.keys()


def test_a_bucket_takes_and_gives_files(intake: Project) -> None:
    put = call(intake, "PUT", "/files/a.txt", data=b"text", headers={"Content-Type": "text/plain"})
    got = call(intake, "GET", "/files/a.txt")
    missing = call(intake, "GET", "/files/nothing")

    assert (put.status_code, got.text) == (200, "text")
    assert (missing.status_code, missing.json()) == (404, {"message": "no file"})


def test_the_routes_say_where_they_lead(intake: Project) -> None:
    routes = intake.run("routes").stdout

    assert "/v1/orders/{id}" in routes
    assert "dynamodb GetItem" in routes
    assert "API key  partner" in routes
