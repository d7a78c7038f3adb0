"""The socket between the emulator and a function's process, which AWS's client calls."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from lampwork.runtime.channel import TOO_LARGE, Answer, Channel, Ready, Work
from lampwork.runtime.client import Connection
from lampwork.runtime.read_files import Recorder

WORK = Work(
    request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    payload=b'{"number": 1}',
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:app",
    trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
    deadline_ms=1542409706888,
    client_context='{"custom": {}}',
)


@dataclass
class Runtime:
    """A runtime at the other end, and what the channel has reported about it."""

    channel: Channel
    connection: Connection
    reports: asyncio.Queue[Ready | Answer] = field(default_factory=asyncio.Queue)

    async def next(self) -> tuple[bytes, dict[str, str | int]]:
        return await asyncio.to_thread(self.connection.next)

    async def answer(self, result: bytes) -> None:
        about = (WORK.request_id, result, "application/json", None)
        await asyncio.to_thread(self.connection.post_invocation_result, *about)

    async def report(self) -> Ready | Answer:
        async with asyncio.timeout(5):
            return await self.reports.get()


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    reports: asyncio.Queue[Ready | Answer] = asyncio.Queue()
    channel = await Channel.open(reports.put_nowait)
    connection = Connection(socket.socket(fileno=os.dup(channel.remote_fd)), Recorder())
    yield Runtime(channel, connection, reports)
    channel.close()
    connection.close()


async def test_a_request_is_handed_out_with_all_that_is_known_of_it(runtime: Runtime) -> None:
    runtime.channel.send(WORK)

    event, headers = await runtime.next()

    assert event == b'{"number": 1}'
    assert headers == {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Deadline-Ms": 1542409706888,
        "Lambda-Runtime-Invoked-Function-Arn": WORK.function_arn,
        "Lambda-Runtime-Trace-Id": WORK.trace_id,
        "Lambda-Runtime-Client-Context": '{"custom": {}}',
    }


async def test_a_clients_context_may_hold_any_text(runtime: Runtime) -> None:
    context = '{\t"custom":\n{"name": "Zoë"}}'
    runtime.channel.send(replace(WORK, client_context=context))

    event, headers = await runtime.next()

    assert event == WORK.payload
    assert headers["Lambda-Runtime-Client-Context"] == context


async def test_a_runtime_is_ready_once_and_then_waits_for_requests(runtime: Runtime) -> None:
    waiting = asyncio.create_task(runtime.next())
    assert await runtime.report() == Ready()

    for _ in range(2):
        runtime.channel.send(WORK)
        event, _ = await waiting
        await runtime.answer(event)
        assert await runtime.report() == Answer(WORK.payload)
        waiting = asyncio.create_task(runtime.next())

    runtime.channel.send(WORK)
    await waiting
    assert runtime.reports.empty()


async def test_an_error_of_the_function_is_an_answer_that_failed(runtime: Runtime) -> None:
    runtime.channel.send(WORK)
    await runtime.next()

    runtime.connection.post_error(WORK.request_id, '{"errorType": "Exception"}', "{}", None)

    assert await runtime.report() == Ready()
    assert await runtime.report() == Answer(b'{"errorType": "Exception"}', failed=True)


@pytest.mark.parametrize("size", [0, 1, 200_000, 6_291_556])
async def test_requests_and_answers_of_any_size_arrive_whole(runtime: Runtime, size: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"' if size > 1 else b"7" * size
    runtime.channel.send(Work("1", body, "arn", "Root=1", 0))

    event, _ = await runtime.next()
    await runtime.answer(event)

    assert event == body
    assert await runtime.report() == Ready()
    assert await runtime.report() == Answer(body)


async def test_an_answer_above_the_limit_is_reported_and_ends_the_runtime(
    runtime: Runtime,
) -> None:
    runtime.channel.send(WORK)
    await runtime.next()

    with pytest.raises(SystemExit):
        await runtime.answer(b"x" * 6_291_557)

    assert await runtime.report() == Ready()
    assert await runtime.report() == TOO_LARGE


async def test_a_request_is_unread_until_the_process_reads_it(runtime: Runtime) -> None:
    waiting = asyncio.create_task(runtime.next())
    assert await runtime.report() == Ready()
    runtime.channel.send(WORK)
    await waiting
    await runtime.answer(b"1")
    assert await runtime.report() == Answer(b"1")

    runtime.channel.send(WORK)
    assert runtime.channel.has_unread_request
    assert not runtime.channel.awaits_answer

    await runtime.next()
    assert not runtime.channel.has_unread_request
    assert runtime.channel.awaits_answer

    await runtime.answer(b"1")
    assert await runtime.report() == Answer(b"1")
    assert not runtime.channel.awaits_answer


async def test_a_closed_channel_reports_nothing_and_ends_its_runtime(runtime: Runtime) -> None:
    def wait_in_vain() -> None:
        with pytest.raises(SystemExit):
            runtime.connection.next()

    waiting = asyncio.create_task(asyncio.to_thread(wait_in_vain))
    assert await runtime.report() == Ready()

    runtime.channel.close()

    await waiting
    assert runtime.reports.empty()
    assert not runtime.channel.has_unread_request
