"""A project of state machines, as its users drive it: with boto3, curl and an editor."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until

ITEMS = [{"name": "lamp", "weight": 4}, {"name": "desk", "weight": 21}]


@pytest.fixture(scope="module")
def shop(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(installation, "order_flow", tmp_path_factory.mktemp("projects")) as shop:
        shop.up("--time-scale", "0.01")
        yield shop


def client(shop: Project, service: Any) -> Any:
    options: dict[str, Any] = {**shop.aws}
    return boto3.client(service, **options)


def arn(name: str) -> str:
    return f"arn:aws:states:us-east-1:000000000000:stateMachine:{name}"


def order(order_id: str, amount: int = 10, items: Any = ITEMS) -> dict[str, Any]:
    return {"id": order_id, "amount": amount, "items": items}


def start(shop: Project, machine: str, given: Any, **options: Any) -> str:
    states = client(shop, "stepfunctions")
    begun = states.start_execution(stateMachineArn=arn(machine), input=json.dumps(given), **options)
    return str(begun["executionArn"])


def ended(shop: Project, execution: str) -> dict[str, Any]:
    states = client(shop, "stepfunctions")
    until(lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING")
    found: dict[str, Any] = states.describe_execution(executionArn=execution)
    return found


def events(shop: Project, execution: str) -> list[dict[str, Any]]:
    states = client(shop, "stepfunctions")
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    return [event for page in pages for event in page["events"]]


def messages(shop: Project, queue: str) -> list[Any]:
    return [json.loads(text) for text in texts(shop, queue)]


def texts(shop: Project, queue: str) -> list[str]:
    """The next messages of a queue, which are deleted."""
    sqs = client(shop, "sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10)
    for message in found.get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in found.get("Messages", [])]


def post(shop: Project, path: str, body: Any = None, *, who: str = "") -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{shop.origin}{path}", data=data, method="POST")
    request.add_header("content-type", "application/json")
    request.add_header("x-who", who)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_an_order_goes_through_functions_services_and_another_state_machine(shop: Project) -> None:
    run = start(shop, "order-flow", order("first"), name="first")
    described = ended(shop, run)

    assert described["status"] == "SUCCEEDED", described
    assert json.loads(described["output"]) == {
        "id": {"S": "first"},
        "receipt": {"S": "first paid 10"},
        "parcels": {"N": "3"},
    }
    delivery = {"parcels": 3, "note": 'it is "25" kg'}
    assert messages(shop, "parcels") == [{"id": "first", "delivery": delivery}]
    (told,) = messages(shop, "finished")
    assert told["detail"] == {"id": "first"}
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
    assert told["resources"] == [arn("order-flow"), run]


def test_the_terminal_tells_the_start_and_the_end_of_an_execution(shop: Project) -> None:
    ended(shop, start(shop, "order-flow", order("told"), name="told"))
    ended(shop, start(shop, "order-flow", order("lost", items=[{"name": "unicorn"}]), name="lost"))

    printed = "".join(shop.lampwork.output)
    assert "OrderFlow: execution told started" in printed
    assert "OrderFlow: execution told SUCCEEDED after" in printed
    failed = "in state Sold out: SoldOut: order lost cannot be filled"
    until(lambda: failed in "".join(shop.lampwork.output))


def test_a_failed_function_is_tried_again_as_its_retrier_says(shop: Project) -> None:
    run = start(shop, "order-flow", order("again", items=[{"name": "popular", "weight": 1}]))

    assert ended(shop, run)["status"] == "SUCCEEDED"
    failures = [
        each["lambdaFunctionFailedEventDetails"]
        for each in events(shop, run)
        if each["type"] == "LambdaFunctionFailed"
    ]
    assert [each["error"] for each in failures] == ["WarehouseIsBusy"]
    assert json.loads(failures[0]["cause"])["errorMessage"] == "come again"


def test_a_caught_error_ends_the_execution_as_the_definition_says(shop: Project) -> None:
    described = ended(shop, start(shop, "order-flow", order("none", items=[{"name": "unicorn"}])))

    assert described["status"] == "FAILED"
    assert described["error"] == "SoldOut"
    assert described["cause"] == "order none cannot be filled"


def test_a_task_waits_until_a_function_has_sent_its_token(shop: Project) -> None:
    run = start(shop, "order-flow", order("large", amount=1000))
    until(lambda: post(shop, "/orders/large/approve")[0] == 200)

    assert ended(shop, run)["status"] == "SUCCEEDED"
    # AWS answers TaskTimedOut for the token of a task that is over.
    status, _ = post(shop, "/orders/large/approve")
    assert status == 500


def test_a_task_fails_with_the_error_that_a_function_sends(shop: Project) -> None:
    run = start(shop, "order-flow", order("refused", amount=1000))
    until(lambda: post(shop, "/orders/refused/reject")[0] == 200)

    described = ended(shop, run)
    assert (described["error"], described["cause"]) == ("Rejected", "too expensive")


def test_a_request_waits_for_an_express_state_machine(shop: Project) -> None:
    items = [{"price": 2.5, "count": 2}, {"price": 1, "count": 1}]

    status, body = post(shop, "/quote", {"id": "q", "items": items})
    assert (status, json.loads(body)) == (200, {"id": "q", "price": 6})
    assert post(shop, "/quote", {"id": "q", "items": []}) == (422, "NothingToPrice: order q")


def test_routes_call_services_without_a_function(shop: Project) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html"""
    items = {"id": "q", "items": [{"price": 2, "count": 2}]}
    status, body = post(shop, "/price", items)
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "SUCCEEDED")
    assert json.loads(answer["output"]) == {"id": "q", "price": 4}

    status, body = post(shop, "/orders", {"order": {"id": "by-route"}})
    assert (status, json.loads(body)["FailedEntryCount"]) == (200, 0)
    assert {"id": "by-route"} in [event["detail"] for event in messages(shop, "finished")]

    assert post(shop, "/backlog/sweep", who="anna")[0] == 200
    assert texts(shop, "refused") == ["sweep by anna"]


def test_a_task_calls_an_api_of_the_project(shop: Project) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html"""

    def ask(items: Any) -> dict[str, Any]:
        given = {"id": "q", "items": items, "note": None, "address": urlsplit(shop.origin).netloc}
        return ended(shop, start(shop, "ask-api", given))

    priced = ask([{"price": 2.5, "count": 2}])
    assert json.loads(priced["output"]) == {"id": "q", "price": 5}
    refused = ask([])
    assert (refused["status"], refused["error"]) == ("FAILED", "ApiGateway.422")
    assert refused["cause"] == "NothingToPrice: order q"


def test_a_rest_api_starts_a_state_machine(shop: Project) -> None:
    """SAM's event Api of a state machine is a REST API's integration of kind aws."""
    status, body = post(shop, "/Prod/rest-price", {"id": "q", "items": []})

    assert status == 200
    assert ":express:" in json.loads(body)["executionArn"]


def test_an_event_starts_a_state_machine(shop: Project) -> None:
    detail = json.dumps(order("by-event"))
    entry = {"Source": "shop", "DetailType": "order-placed", "Detail": detail}
    client(shop, "events").put_events(Entries=[entry])

    states = client(shop, "stepfunctions")

    def inputs() -> list[Any]:
        listed = states.list_executions(stateMachineArn=arn("order-flow"))["executions"]
        return [
            json.loads(states.describe_execution(executionArn=each["executionArn"])["input"])["id"]
            for each in listed
        ]

    until(lambda: "by-event" in inputs())
    # UseAliasAsEventTarget: the rule starts the alias, and with it the published version.
    alias = f"{arn('order-flow')}:live"
    listed = states.list_executions(stateMachineArn=alias)["executions"]
    assert {each["stateMachineVersionArn"] for each in listed} == {f"{arn('order-flow')}:1"}


def test_a_saved_definition_is_the_version_to_which_the_alias_leads(shop: Project) -> None:
    states = client(shop, "stepfunctions")
    definition = shop.root / "flows" / "order.asl.yaml"
    definition.write_text(definition.read_text() + "Comment: saved\n")
    shop.lampwork.until("Reloaded")

    alias = states.describe_state_machine_alias(stateMachineAliasArn=f"{arn('order-flow')}:live")
    (route,) = alias["routingConfiguration"]
    version = states.describe_state_machine(stateMachineArn=route["stateMachineVersionArn"])
    assert route["weight"] == 100
    assert json.loads(version["definition"])["Comment"] == "saved"


def test_a_schedule_starts_a_state_machine(shop: Project) -> None:
    assert texts(shop, "backlog") == ["clean up"]


def test_the_end_of_an_execution_is_an_event(shop: Project) -> None:
    run = start(shop, "order-flow", order("watched", items=[{"name": "unicorn"}]), name="watched")
    ended(shop, run)

    found: list[Any] = []

    def told() -> bool:
        found.extend(messages(shop, "statuses"))
        return any(each["detail"]["name"] == "watched" for each in found)

    until(told)
    (event,) = [each for each in found if each["detail"]["name"] == "watched"]
    # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["resources"] == [run]
    assert event["detail"]["status"] == "FAILED"


def test_a_saved_definition_is_that_of_the_next_execution(shop: Project) -> None:
    definition = shop.root / "flows" / "pricing.asl.json"
    definition.write_text(definition.read_text().replace("NothingToPrice", "NoItems"))
    shop.lampwork.until("Reloaded")

    assert post(shop, "/quote", {"id": "q", "items": []}) == (422, "NoItems: order q")


def test_an_execution_that_a_kill_ended_is_said_to_be_aborted(shop: Project) -> None:
    before = start(shop, "order-flow", order("before"), name="before")
    ended(shop, before)
    run = start(shop, "order-flow", order("waits", amount=1000), name="waits")
    key = {"TableName": "local-OrdersTable", "Key": {"id": {"S": "waits"}}}
    until(lambda: "Item" in client(shop, "dynamodb").get_item(**key))  # somebody has been asked
    shop.lampwork.stop(signal.SIGKILL)
    shop.up("--time-scale", "0.01")

    described = ended(shop, run)
    assert (described["status"], described["error"]) == ("ABORTED", "Lampwork.Ended")
    shop.lampwork.until("OrderFlow: execution waits ABORTED: it ran when Lampwork ended.")
    # What was over before is still known.
    assert ended(shop, before)["status"] == "SUCCEEDED"
