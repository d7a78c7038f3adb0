import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until

HTTP = Path(sys.executable).with_name("http")


@pytest.fixture(scope="module")
def orders(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "orders", tmp_path_factory.mktemp("projects")) as orders:
        orders.up("--time-scale", "0.005")
        yield orders


def client(orders: Project, service: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(service, **orders.aws)


def rows(orders: Project) -> Any:
    session: Any = boto3.session.Session()
    return session.resource("dynamodb", **orders.aws).Table("orders")


def item(orders: Project, id: str) -> Any:
    """Wait for a row of the table and return it."""
    table = rows(orders)
    until(lambda: "Item" in table.get_item(Key={"id": id}))
    return table.get_item(Key={"id": id})["Item"]


def ids(orders: Project) -> list[str]:
    return [each["id"] for each in rows(orders).scan()["Items"]]


def submit(orders: Project, *fields: str) -> None:
    url = f"{orders.origin}/orders"
    command = [str(HTTP), "--ignore-stdin", "--check-status", "POST", url, *fields]
    subprocess.run(command, check=True, capture_output=True)


def bodies(orders: Project, queue: str) -> list[Any]:
    sqs = client(orders, "sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_an_order_goes_through_the_queue_with_resolved_references(orders: Project) -> None:
    submit(orders, "id=o1", "customer=ada", "price:=100")

    order = item(orders, "o1")

    assert order["total"] == 119
    assert order["carrier"] == ["shop", 24]


def test_a_paid_order_is_shipped_by_a_rule_of_the_bus(orders: Project) -> None:
    submit(orders, "id=o2", "customer=ada", "price:=100")

    assert item(orders, "shipped o2")["why"] == "order o2 is paid"


def test_a_topic_sends_a_function_what_its_filter_lets_through(orders: Project) -> None:
    submit(orders, "id=small", "customer=ben", "price:=10")
    submit(orders, "id=large", "customer=ben", "price:=2000")

    row = item(orders, "big large")

    assert row["subject"] == "sold"
    assert row["keys"] == [
        *("Message", "MessageAttributes", "MessageId", "Signature", "SignatureVersion"),
        *("SigningCertUrl", "Subject", "Timestamp", "TopicArn", "Type", "UnsubscribeUrl"),
    ]
    assert "big small" not in ids(orders)


def test_a_stored_object_that_matches_the_filter_is_read(orders: Project) -> None:
    s3 = client(orders, "s3")
    for key in ("2025/a.json", "2026/a.txt", "2026/a.json"):
        s3.put_object(Bucket="invoices", Key=key, Body=b'{"sum": 7}')

    assert item(orders, "invoice 2026/a.json")["sum"] == 7
    assert [each for each in ids(orders) if each.startswith("invoice")] == ["invoice 2026/a.json"]


def test_only_the_failed_messages_of_a_batch_become_dead_letters(
    orders: Project,
) -> None:
    submit(orders, "id=priceless", "customer=carl")
    submit(orders, "id=o3", "customer=dora", "price:=1")

    assert item(orders, "o3")["total"] == 1
    until(lambda: bodies(orders, "dead-orders.fifo") != [])
    (dead,) = bodies(orders, "dead-orders.fifo")
    assert dead["id"] == "priceless"


def test_dead_letters_are_listed_and_can_go_back_to_their_queue(orders: Project) -> None:
    until(lambda: bodies(orders, "dead-orders.fifo") != [])

    table = orders.run("queues").stdout
    counted = json.loads(orders.run("queues", "--json").stdout)
    shown = json.loads(orders.run("queues", "show", "dead-orders.fifo").stdout)
    moved = orders.run("queues", "redrive", "dead-orders.fifo").stdout

    assert "lampwork" not in table
    (row,) = [line.split() for line in table.splitlines() if line.startswith("orders.fifo")]
    assert (row[0], row[-1]) == ("orders.fifo", "dead-orders.fifo")
    (dead,) = [each for each in counted if each["queue"] == "dead-orders.fifo"]
    assert (dead["waiting"], dead["in_flight"], dead["dead_letters_to"]) == (1, 0, None)
    assert json.loads(shown["Body"])["id"] == "priceless"
    assert moved == "Moved 1 messages from dead-orders.fifo.\n"
    until(lambda: bodies(orders, "dead-orders.fifo") != [])  # since the message is as bad as before


def test_a_missing_queue_is_reported_in_one_line(orders: Project) -> None:
    failed = orders.run("queues", "show", "nothing")

    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: ")
    assert failed.stderr.count("\n") == 1


def test_messages_that_the_filter_refuses_are_deleted_unread(orders: Project) -> None:
    sqs = client(orders, "sqs")
    url = sqs.get_queue_url(QueueName="orders.fifo")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"kind": "noise"}', MessageGroupId="noise")

    until(lambda: depth(sqs, url) == 0)

    assert bodies(orders, "orders.fifo") == []


def depth(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))


def test_a_failed_event_is_retried_with_its_request_id_and_then_reported(
    orders: Project,
) -> None:
    answer = client(orders, "lambda").invoke(
        FunctionName="charge", InvocationType="Event", Payload=b'{"card": 1}'
    )
    assert answer["StatusCode"] == 202

    until(lambda: bodies(orders, "failed-charges") != [])
    (record,) = bodies(orders, "failed-charges")

    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)
    assert context["functionArn"].endswith(":function:charge:$LATEST")
    assert context["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert record["requestPayload"] == {"card": 1}
    assert record["responsePayload"]["errorMessage"] == "the card is refused"
    assert {each.split()[1] for each in ids(orders) if each.startswith("charge")} == {
        context["requestId"]
    }


def test_the_schedule_runs_with_its_input(orders: Project) -> None:
    assert item(orders, "report minute")


def test_messages_parameters_and_secrets_survive_a_kill(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with project(installation, "orders", tmp_path_factory.mktemp("killed")) as orders:
        orders.up()
        sqs, ssm = client(orders, "sqs"), client(orders, "ssm")
        manager = client(orders, "secretsmanager")
        secret = manager.get_secret_value(SecretId="orders/carrier")["SecretString"]
        ssm.put_parameter(Name="/orders/tax", Value="7", Overwrite=True)
        url = sqs.get_queue_url(QueueName="failed-charges")["QueueUrl"]
        for number in range(5):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        (taken,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])

        orders.lampwork.stop(signal.SIGKILL)
        orders.up()

        assert bodies(orders, "failed-charges") == [1, 2, 3, 4]
        assert client(orders, "ssm").get_parameter(Name="/orders/tax")["Parameter"]["Value"] == "7"
        again = client(orders, "secretsmanager").get_secret_value(SecretId="orders/carrier")
        assert again["SecretString"] == secret
