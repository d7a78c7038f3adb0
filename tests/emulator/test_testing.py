"""`lampwork.testing`, on a stack that has a bit of everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lampwork.errors import LampworkError, StartError
from lampwork.testing import FunctionError, Refused, Stack

PROJECT = Path(__file__).parent / "projects" / "parcels"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with Stack(folder=PROJECT) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
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

    (seen,) = [each for each in lost.messages() if each.attributes == {"why": "test"}]
    assert seen.json() == {"kind": "tulip"}
    assert (seen.receive_count, seen.hidden) == (0, False)
    assert seen in stack.queue("Orders").dead_letters()
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


# --- Starting -------------------------------------------------------------------------------------


def test_a_template_that_is_wrong_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="There is no template"):
        Stack(folder=tmp_path).start()


def test_a_stack_that_does_not_run_says_what_to_do() -> None:
    with pytest.raises(LampworkError, match="use it in a `with` block"):
        Stack(folder=PROJECT).get("/")
