import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lampwork.errors import Throttled
from lampwork.events.dead_letters import Attributes
from lampwork.stack.model import EventConfig, Function
from lampwork.triggers.asynchronous.invocations import EventInvocations, Outlet
from tests.emulator.fakes import FakeInvoker

CONFIG = EventConfig(on_success="arn:success", on_failure="arn:failure", dead_letter="arn:dead")


class RecordingOutlet(Outlet):
    def __init__(self) -> None:
        self.records: list[tuple[str, Mapping[str, Any]]] = []
        self.dead: list[tuple[str, str, str]] = []

    async def send_record(self, destination: str, record: Mapping[str, Any]) -> None:
        self.records.append((destination, record))

    async def send_dead_letter(self, queue: str, text: str, attributes: Attributes) -> None:
        self.dead.append((queue, text, attributes["ErrorMessage"]["StringValue"]))


@asynccontextmanager
async def invocations(
    work: Any, config: EventConfig = CONFIG, reserved: int | None = None
) -> AsyncIterator[tuple[EventInvocations, FakeInvoker, RecordingOutlet]]:
    invoker, outlet = FakeInvoker(Work=work), RecordingOutlet()
    function = Function(
        "Work", "work", "app.handler", Path(), on_event=config, reserved_concurrency=reserved
    )
    events = EventInvocations(invoker, {"Work": function}, time_scale=0.00001)
    events.outlet = outlet
    try:
        yield events, invoker, outlet
    finally:
        await events.stop()


async def finished(events: EventInvocations, function: str = "Work") -> None:
    over = asyncio.Event()

    async def note() -> None:
        over.set()

    events.submit(function, b'{"n": 1}', request_id="r-1", finished=note)
    await asyncio.wait_for(over.wait(), 10)


def fail(event: Any) -> None:
    raise ValueError("no")


async def test_a_success_is_reported_with_the_answer():
    async with invocations(lambda event: {"ok": event["n"]}) as (events, _, outlet):
        await finished(events)

    ((destination, record),) = outlet.records
    assert destination == "arn:success"
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestPayload"] == {"n": 1}
    assert record["responsePayload"] == {"ok": 1}
    assert outlet.dead == []


async def test_a_failing_event_is_tried_three_times_with_one_request_id():
    async with invocations(fail) as (events, invoker, outlet):
        await finished(events, "arn:aws:lambda:us-east-1:000000000000:function:work:live")

    ((destination, record),) = outlet.records
    assert invoker.request_ids == ["r-1"] * 3
    assert destination == "arn:failure"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert outlet.dead == [("arn:dead", '{"n": 1}', "no")]


async def test_a_function_may_be_tried_only_once():
    async with invocations(fail, EventConfig(retries=0)) as (events, invoker, outlet):
        await finished(events)

    assert len(invoker.events) == 1
    assert outlet.records == []


async def test_an_event_that_would_be_too_old_is_given_up():
    config = EventConfig(maximum_age_seconds=100, on_failure="arn:failure")
    async with invocations(fail, config) as (events, invoker, outlet):
        await finished(events)

    assert len(invoker.events) <= 2
    assert outlet.records[0][1]["requestContext"]["condition"] == "EventAgeExceeded"


async def test_a_throttled_event_uses_up_no_attempt():
    throttled = iter([True, True, False])

    def work(event: Any) -> str:
        if next(throttled):
            raise Throttled("all are busy")
        return "done"

    async with invocations(work) as (events, _, outlet):
        await finished(events)

    assert outlet.records[0][1]["requestContext"]["approximateInvokeCount"] == 1


async def test_a_function_that_may_not_run_is_not_invoked():
    async with invocations(fail, reserved=0) as (events, invoker, outlet):
        await finished(events)

    record = outlet.records[0][1]
    assert invoker.events == []
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert "responsePayload" not in record
    assert json.dumps(record)


async def test_a_function_of_a_nested_stack_is_invoked_by_the_last_part_of_its_id():
    invoker = FakeInvoker(**{"Checkout/Pay": lambda event: None})
    pay = Function("Checkout/Pay", "local-Checkout-Pay", "app.handler", Path())
    events = EventInvocations(invoker, {"Checkout/Pay": pay})

    for name in ("Checkout/Pay", "Pay", "local-Checkout-Pay", f"{pay.arn}:live"):
        assert events.knows(name)
        assert await events.submit(name, b"{}") is None
    await events.stop()
