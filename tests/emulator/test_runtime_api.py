"""The Lambda Runtime API, spoken to as a runtime of its own would."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lampwork.runtime.api import Answer, Ready, RuntimeApi, Work

NEXT = "invocation/next"
WORK = Work(
    request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    payload=b'{"number": 1}',
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:app",
    trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
    deadline_ms=1542409706888,
    client_context='{"custom": {}}',
)
RESPONSE = f"invocation/{WORK.request_id}/response"


@dataclass
class Runtime:
    """A runtime at the other end, and what the API has reported of it."""

    api: RuntimeApi
    address: str
    reports: list[Ready | Answer] = field(default_factory=list)

    async def get(self, path: str) -> http.client.HTTPResponse:
        return await asyncio.to_thread(self._request, "GET", path, b"")

    async def post(self, path: str, body: bytes = b"") -> tuple[int, Any]:
        response = await asyncio.to_thread(self._request, "POST", path, body)
        return response.status, json.loads(response.read())

    def _request(self, method: str, path: str, body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.address, timeout=5)
        connection.request(method, f"/2018-06-01/runtime/{path}", body, {"Connection": "close"})
        return connection.getresponse()


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    reports: list[Ready | Answer] = []
    api = RuntimeApi(reports.append)
    yield Runtime(api, await api.start(), reports)
    api.close()


async def test_a_request_is_handed_out_with_all_that_is_known_of_it(runtime: Runtime) -> None:
    runtime.api.offer(WORK)

    response = await runtime.get(NEXT)

    assert response.status == 200
    assert response.read() == b'{"number": 1}'
    assert {name: value for name, value in response.getheaders() if name.startswith("Lambda")} == {
        "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Deadline-Ms": "1542409706888",
        "Lambda-Runtime-Invoked-Function-Arn": WORK.function_arn,
        "Lambda-Runtime-Trace-Id": WORK.trace_id,
        "Lambda-Runtime-Client-Context": '{"custom": {}}',
    }
    assert response.getheader("Content-Type") == "application/json"


async def test_a_runtime_waits_for_a_request(runtime: Runtime) -> None:
    waiting = asyncio.create_task(runtime.get(NEXT))
    while not runtime.reports:
        await asyncio.sleep(0)

    runtime.api.offer(WORK)

    assert (await waiting).status == 200
    assert runtime.reports == [Ready()]


@pytest.mark.parametrize(("kind", "failed"), [("response", False), ("error", True)])
async def test_an_answer_is_accepted_once(runtime: Runtime, kind: str, failed: bool) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)

    path = f"invocation/{WORK.request_id}/{kind}"
    first, second = await runtime.post(path, b'"answer"'), await runtime.post(path, b'"other"')

    assert first == (202, {"status": "OK"})
    assert (second[0], second[1]["errorType"]) == (400, "InvalidRequestID")
    assert runtime.reports == [Ready(), Answer(b'"answer"', failed)]


async def test_an_answer_to_another_request_is_refused(runtime: Runtime) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)

    status, error = await runtime.post("invocation/1234/response")

    assert status == 400
    assert error == {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}


async def test_an_answer_after_its_time_is_ignored(runtime: Runtime) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)
    runtime.api.withdraw()

    status, _ = await runtime.post(RESPONSE, b'"late"')

    assert status == 400
    assert runtime.reports == [Ready()]


async def test_an_answer_before_the_request_was_taken_is_refused(runtime: Runtime) -> None:
    runtime.api.offer(WORK)

    status, error = await runtime.post(RESPONSE)

    assert (status, error["errorType"]) == (403, "InvalidStateTransition")


async def test_a_second_request_is_refused_while_one_is_unanswered(runtime: Runtime) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)

    response = await runtime.get(NEXT)

    assert response.status == 403
    assert json.loads(response.read()) == {
        "errorMessage": "State transition from Running to Ready failed for runtime."
        " Error: State transition is not allowed",
        "errorType": "InvalidStateTransition",
    }


async def test_an_answer_above_the_limit_is_refused_and_reported(runtime: Runtime) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)

    status, error = await runtime.post(RESPONSE, b"x" * 6_291_557)

    assert (status, error["errorType"]) == (413, "RequestEntityTooLarge")
    _, answer = runtime.reports
    assert isinstance(answer, Answer)
    assert answer.failed
    assert b"Function.ResponseSizeTooLarge" in answer.payload


async def test_a_failed_init_is_reported_and_ends_the_dialogue(runtime: Runtime) -> None:
    accepted = await runtime.post("init/error", b'{"errorType":"Runtime.ImportModuleError"}')
    refused = await runtime.get(NEXT)

    assert accepted == (202, {"status": "OK"})
    assert refused.status == 403
    assert runtime.reports == [Answer(b'{"errorType":"Runtime.ImportModuleError"}', failed=True)]


async def test_an_init_error_is_refused_once_the_runtime_is_ready(runtime: Runtime) -> None:
    runtime.api.offer(WORK)
    await runtime.get(NEXT)

    status, error = await runtime.post("init/error")

    assert (status, error["errorType"]) == (403, "InvalidStateTransition")


@pytest.mark.parametrize("path", ["restore/next", "invocation/next/", "invocation/1/other", ""])
async def test_an_unknown_resource_is_not_found(runtime: Runtime, path: str) -> None:
    assert (await runtime.get(path)).status == 404
