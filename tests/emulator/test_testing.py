"""`lampwork.testing`, on a stack that has a bit of everything."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lampwork.errors import LampworkError, StartError
from lampwork.testing import Closed, FunctionError, Refused, Stack

PROJECT = Path(__file__).parent / "projects" / "parcels"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with Stack(folder=PROJECT, timeout=120) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    running.reset()
    return running


# --- Asking ---------------------------------------------------------------------------------------


def test_a_request_reaches_the_function_behind_its_route(stack: Stack) -> None:
    answer = stack.post("/orders", json={"kind": "rose"})

    assert answer.status_code == 202
    assert answer.json() == {"kind": "rose"}
    assert answer.headers["x-shop"] == "yes"
    assert stack.get("/parcels", params={"kind": "none of these"}).json() == []


def test_a_function_is_invoked_by_its_name(stack: Stack) -> None:
    assert stack.invoke("Add", {"numbers": [1, 2]}) == 3


def test_the_error_of_an_invoked_function_is_raised_with_its_log(stack: Stack) -> None:
    with pytest.raises(FunctionError, match="KeyError: 'numbers'") as raised:
        stack.invoke("Add")

    assert raised.value.type == "KeyError"
    assert "adding" in raised.value.log
    assert any("parcels.py" in line for line in raised.value.stack_trace)


def test_a_function_that_is_not_there_is_named_with_those_that_are(stack: Stack) -> None:
    with pytest.raises(LookupError, match=r"no function 'Sub'\. There are: .*Add"):
        stack.invoke("Sub")


def test_a_message_is_seen_in_its_queue_without_being_received(stack: Stack) -> None:
    lost = stack.queue("Lost")
    lost.send({"kind": "tulip"}, attributes={"why": "test"})

    (seen,) = lost.messages()
    assert seen.attributes == {"why": "test"}
    assert seen.json() == {"kind": "tulip"}
    assert (seen.receive_count, seen.hidden) == (0, False)
    assert [seen] == stack.queue("Orders").dead_letters()
    with pytest.raises(LookupError, match="Lost has no RedrivePolicy"):
        lost.dead_letters()


def test_tables_buckets_and_queues_are_found_by_their_logical_ids(stack: Stack) -> None:
    stack.table("Parcels").put_item(Item={"id": "by a test", "kind": "fern"})
    label = {"Bucket": stack.physical_id("Labels"), "Key": "label"}
    stack.client("s3").put_object(**label, Body=b"to you")

    assert stack.get("/parcels", params={"kind": "fern"}).json() == ["fern"]
    assert stack.client("s3").get_object(**label)["Body"].read() == b"to you"
    with pytest.raises(LookupError, match=r"no AWS::DynamoDB::Table 'Orders'.* are: Parcels"):
        stack.table("Orders")


def test_a_socket_sends_and_receives(stack: Stack) -> None:
    with stack.connect("/live") as socket:
        socket.send({"say": "hello"})

        assert socket.receive_json() == {"SAY": "HELLO"}
        with pytest.raises(TimeoutError):
            socket.receive(timeout=0)


def test_a_refused_handshake_has_its_status(stack: Stack) -> None:
    with pytest.raises(Refused) as refused:
        stack.connect("/live?no=1")

    assert refused.value.status_code == 403


# --- Waiting and looking --------------------------------------------------------------------------


def test_an_idle_stack_has_done_what_was_asked_of_it(stack: Stack) -> None:
    for kind in ("rose", "tulip", "fern"):
        stack.post("/orders", json={"kind": kind})
    stack.wait_until_idle()

    assert sorted(stack.get("/parcels").json()) == ["fern", "rose", "tulip"]
    assert stack.queue("Orders").messages() == []
    shipped = stack.invocations("Ship")
    assert {each.event["Records"][0]["body"] for each in shipped} == {
        f'{{"kind": "{kind}"}}' for kind in ("rose", "tulip", "fern")
    }
    assert {each.status for each in shipped} == {"ok"}


def test_an_event_on_the_bus_reaches_its_function(stack: Stack) -> None:
    stack.bus().put("parcels", "told", {"kind": "moss"})
    stack.wait_until_idle()

    assert stack.get("/parcels").json() == ["moss"]


def test_a_failed_message_waits_and_is_not_due(stack: Stack) -> None:
    stack.queue("Orders").send("no order")
    stack.wait_until_idle()

    (failed,) = stack.invocations("Ship")
    assert (failed.status, failed.error_type) == ("error", "JSONDecodeError")
    (waiting,) = stack.queue("Orders").messages()
    assert (waiting.hidden, waiting.receive_count) == (True, 1)


def test_what_is_not_done_in_time_is_told(stack: Stack) -> None:
    stack.client("lambda").invoke(FunctionName="Nap", InvocationType="Event")

    with pytest.raises(TimeoutError, match="Nap runs"):
        stack.wait_until_idle(timeout=0)
    stack.table("Parcels").put_item(Item={"id": "alarm"})
    stack.wait_until_idle()


# --- Resetting ------------------------------------------------------------------------------------


def test_a_reset_takes_back_what_a_test_has_left(stack: Stack) -> None:
    socket = stack.connect("/live")
    stack.post("/orders", json={"kind": "rose"})
    stack.queue("Orders").send("no order")
    stack.queue("Lost").send("by a test")
    stack.client("s3").put_object(Bucket=stack.physical_id("Labels"), Key="label", Body=b"x")
    stack.client("s3").create_bucket(Bucket="of-a-test")
    stack.client("sqs").create_queue(QueueName="of-a-test")
    stack.client("ssm").put_parameter(Name="of-a-test", Value="x", Type="String")

    stack.reset()

    with pytest.raises(Closed):
        socket.receive()
    assert stack.get("/parcels").json() == []
    assert [stack.queue(each).messages() for each in ("Orders", "Lost")] == [[], []]
    assert [each["Name"] for each in stack.client("s3").list_buckets()["Buckets"]] == [
        stack.physical_id("Labels")
    ]
    assert "Contents" not in stack.client("s3").list_objects_v2(Bucket=stack.physical_id("Labels"))
    assert len(stack.client("sqs").list_queues()["QueueUrls"]) == 3
    assert stack.client("ssm").describe_parameters()["Parameters"] == []
    assert {each.function for each in stack.invocations()} == {"Listed"}


def test_a_message_sent_after_a_reset_is_delivered_once(stack: Stack) -> None:
    for _ in range(5):
        stack.queue("Orders").send({"kind": "before"})
        stack.reset()
        stack.queue("Orders").send({"kind": "after"})
        stack.wait_until_idle()

        assert stack.get("/parcels").json() == ["after"]


def test_a_reset_lets_no_change_of_a_table_through_that_came_before(stack: Stack) -> None:
    stack.fail_next("Seen")
    stack.table("Parcels").put_item(Item={"id": "before", "kind": "fern"})
    stack.wait_until_idle()

    stack.reset()
    stack.table("Parcels").put_item(Item={"id": "after", "kind": "fern"})
    stack.clock.advance(minutes=5)

    (seen,) = stack.invocations("Seen")
    assert seen.event["Records"][0]["dynamodb"]["Keys"] == {"id": {"S": "after"}}


# --- Faults ---------------------------------------------------------------------------------------


def test_invocations_that_are_to_fail_do_and_those_after_them_do_not(stack: Stack) -> None:
    stack.fail_next("Add", times=2, error="PaymentRefused", message="no money")

    for _ in range(2):
        with pytest.raises(FunctionError, match="PaymentRefused: no money"):
            stack.invoke("Add", {"numbers": [1]})
    assert stack.invoke("Add", {"numbers": [1]}) == 1
    assert [each.status for each in stack.invocations("Add")] == ["error", "error", "ok"]


def test_a_function_fails_after_its_work_is_done(stack: Stack) -> None:
    stack.fail_next("Told", after_run=True)

    with pytest.raises(FunctionError, match="Fault"):
        stack.invoke("Told", {"detail": {"kind": "ivy"}})
    assert stack.get("/parcels").json() == ["ivy"]


def test_a_throttled_function_is_refused_with_lambdas_own_error(stack: Stack) -> None:
    stack.throttle_next("Add")

    lambda_ = stack.client("lambda")
    with pytest.raises(lambda_.exceptions.TooManyRequestsException):
        lambda_.invoke(FunctionName="Add", Payload='{"numbers": []}')
    assert stack.invoke("Add", {"numbers": []}) == 0


def test_a_time_out_and_a_kill_are_told_as_lambda_tells_them(stack: Stack) -> None:
    first = stack.invoke("Process")
    stack.time_out_next("Process")
    stack.kill_next("Process")

    with pytest.raises(FunctionError, match=r"Task timed out after 30\.00 seconds"):
        stack.invoke("Process")
    with pytest.raises(FunctionError, match="signal: killed"):
        stack.invoke("Process")
    assert stack.invoke("Process") != first


def test_a_fault_names_a_function_that_is_there(stack: Stack) -> None:
    with pytest.raises(LookupError, match="no function 'Sub'"):
        stack.fail_next("Sub")


# --- Time -----------------------------------------------------------------------------------------


def test_schedules_fire_when_the_clock_is_moved_and_not_before(stack: Stack) -> None:
    assert stack.invocations("Hourly") == []

    stack.clock.advance(hours=3, minutes=1)

    assert stack.get("/parcels").json() == ["hourly"] * 3


def test_a_failed_message_comes_again_with_its_visibility_and_is_then_a_dead_letter(
    stack: Stack,
) -> None:
    stack.fail_next("Ship")
    stack.queue("Orders").send({"kind": "late"})
    stack.queue("Orders").send("no order")
    stack.wait_until_idle()
    assert stack.get("/parcels").json() in ([], ["late"])

    stack.clock.advance(seconds=31)
    assert stack.get("/parcels").json() == ["late"]
    assert stack.queue("Orders").dead_letters() == []

    stack.clock.advance(seconds=31)
    assert [each.body for each in stack.queue("Orders").dead_letters()] == ["no order"]


def test_a_delayed_message_comes_in_its_time(stack: Stack) -> None:
    stack.queue("Orders").send({"kind": "slow"}, delay_seconds=600)
    stack.clock.advance(minutes=9)
    assert stack.get("/parcels").json() == []

    stack.clock.advance(minutes=2)
    assert stack.get("/parcels").json() == ["slow"]


def test_a_failed_event_is_tried_twice_more_and_then_given_up(stack: Stack) -> None:
    stack.fail_next("Add", times=3)
    stack.client("lambda").invoke(FunctionName="Add", InvocationType="Event", Payload="{}")
    stack.wait_until_idle()
    assert len(stack.invocations("Add")) == 1

    stack.clock.advance(minutes=4)

    assert len(stack.invocations("Add")) == 3
    assert [each.body for each in stack.queue("Lost").messages()] == ["{}"]


def test_a_failed_batch_of_a_stream_is_tried_again_in_its_time(stack: Stack) -> None:
    stack.fail_next("Seen")
    stack.table("Parcels").put_item(Item={"id": "1", "kind": "fern"})

    stack.clock.advance(minutes=1)

    assert [each.status for each in stack.invocations("Seen")] == ["error", "ok"]


def test_what_is_behind_a_failed_message_of_its_group_waits_with_it(stack: Stack) -> None:
    stack.fail_next("Served")
    for body in ("first", "second"):
        stack.queue("Line").send(body)
    stack.wait_until_idle()
    assert [each.body for each in stack.queue("Line").messages()] == ["first", "second"]

    stack.clock.advance(seconds=31)

    served = stack.invocations("Served")
    assert [each.error_type or each.answer for each in served] == ["Fault", "first", "second"]


def test_an_authorizer_is_asked_again_when_its_answer_is_old(stack: Stack) -> None:
    def asked() -> int:
        assert stack.get("/guarded", headers={"Authorization": "please"}).status_code == 200
        return len(stack.invocations("Gate"))

    assert [asked(), asked()] == [1, 1]
    stack.clock.advance(minutes=6)
    assert asked() == 2
    stack.reset()
    assert asked() == 1


def test_an_idle_socket_is_closed_after_ten_minutes(stack: Stack) -> None:
    with stack.connect("/live") as socket:
        stack.clock.advance(minutes=9)
        socket.send("still here")
        assert socket.receive() == "STILL HERE"

        stack.clock.advance(minutes=11)
        with pytest.raises(Closed) as closed:
            socket.receive()

    assert closed.value.code == 1001


def test_an_item_goes_when_its_time_to_live_is_over(stack: Stack) -> None:
    until = int(time.time()) + 3600
    kept = stack.table("Parcels")
    kept.put_item(Item={"id": "short", "kind": "fern", "until": until})
    kept.put_item(Item={"id": "long", "kind": "fern", "until": 2 * until})

    stack.clock.advance(hours=2)

    assert "Item" not in kept.get_item(Key={"id": "short"})
    assert "Item" in kept.get_item(Key={"id": "long"})


def test_the_clock_does_not_go_back(stack: Stack) -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        stack.clock.advance(hours=-1)


# --- Starting -------------------------------------------------------------------------------------


def test_a_template_that_is_wrong_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="There is no template"):
        Stack(folder=tmp_path).start()


def test_a_stack_that_does_not_run_says_what_to_do() -> None:
    with pytest.raises(LampworkError, match="use it in a `with` block"):
        Stack(folder=PROJECT).get("/")
