"""`functions.asgi` under uvicorn with several processes: the contract that people know from the
emulator and API Gateway, and what only a server of our own can offer."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.product import Person, Product, free_port, sign_up
from tests.e2e.server import server

# The same tests as against the emulator.
from tests.e2e.test_journey import (  # noqa: F401
    test_every_dependency_is_healthy,
    test_the_documented_httpie_commands_work_as_written,
    test_the_schema_and_its_page_need_no_other_host,
    test_the_smoke_test_passes,
)
from tests.e2e.test_stream import (  # noqa: F401
    refusal,
    test_a_cancelled_task_ends_its_stream,
    test_a_client_that_may_not_watch_is_refused_before_the_socket_opens,
    test_a_connect_after_the_end_gets_the_last_state_and_a_normal_close,
    test_a_token_may_come_as_a_subprotocol,
    test_a_watcher_sees_a_task_from_its_snapshot_to_its_end,
    test_missed_events_are_replayed,
    test_the_answer_and_every_frame_hold_the_id_of_the_request,
    test_two_watchers_see_the_same_states,
)

SMALL = {"width": 64, "height": 64}
SECONDS = 30  # far more than anything here takes
METRICS_PORT = free_port()


@pytest.fixture(scope="module")
def product(product: Product) -> Iterator[Product]:
    """The product's services and workers, and its functions in a server."""
    settings = {"WS_HEARTBEAT_SECONDS": "1", "WS_SOCKETS_PER_TASK": "4"}
    page = {"METRICS_FORMAT": "prometheus", "METRICS_PORT": str(METRICS_PORT)}
    with server(product, environment=settings | page) as served:
        yield served


@asynccontextmanager
async def event_stream(
    person: Person, task_id: str, *, query: str = "", **headers: str
) -> AsyncIterator[httpx.Response]:
    address = f"{person.product.origin}/api/v1/tasks/{task_id}/stream{query}"
    headers = headers or {"Authorization": f"Bearer {person.token}"}
    async with (
        httpx.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        yield answer


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Each event's name and id, and the frame that it carries."""
    event: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name != "retry":
            event[name] = json.loads(value) if name == "data" else value
        elif event:
            yield event
            event = {}


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def submitted(person: Person, prompt: str) -> str:
    task = await asyncio.to_thread(person.submit, prompt, **SMALL)
    return str(task["id"])


# --- Requests -------------------------------------------------------------------------------------


def test_what_has_no_route_is_refused_with_a_problem(product):
    missing = httpx.get(f"{product.origin}/api/v1/nothing")
    wrong = httpx.put(f"{product.origin}/api/v1/auth/me")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "DELETE, GET, PATCH"
    for answer in (missing, wrong):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_no_route_takes_is_refused_before_it_is_all_read(product, framing):
    body = b'{"email": "' + b"x" * 10_000_000

    answer = httpx.post(
        f"{product.origin}/api/v1/auth/login",
        content=body if framing == "length" else iter([body[:60_000]] * 5),
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_forwarded_address_of_an_untrusted_sender_names_nobody(product, ada):
    """Nor does it make a request local, which might name its user."""
    address, named = f"{product.origin}/api/v1/auth/me", {"X-User-Id": ada.user_id}

    assert httpx.get(address, headers=named).status_code == 200
    assert httpx.get(address, headers={**named, "X-Forwarded-For": "127.0.0.1, 1.2.3.4"}).is_error
    assert httpx.get(address, headers={**named, "X-Forwarded-For": "1.2.3.4"}).is_error


def test_all_processes_count_on_one_page_for_prometheus(product, ada):
    for _ in range(20):  # more than processes, which share the port
        ada.client.get("/tasks")
    httpx.request("PROPFIND", f"{product.origin}/api/v1/nothing")

    page = httpx.get(f"http://localhost:{METRICS_PORT}/metrics").raise_for_status().text
    counted = {
        series.rpartition(" ")[0]: float(series.rpartition(" ")[2])
        for series in page.splitlines()
        if series.startswith("lampwork_")
    }
    requests = 'lampwork_http_requests_total{method="%s",route="%s",status="%s"}'
    assert counted[requests % ("GET", "GET /api/v1/tasks", "200")] >= 20
    assert counted[requests % ("other", "none", "404")] >= 1
    times = 'lampwork_http_request_duration_seconds_count{route="GET /api/v1/tasks"}'
    assert counted[times] >= 20
    assert not [series for series in counted if "PROPFIND" in series or "nothing" in series]


def test_the_servers_own_log_has_no_ticket(product, ada):
    task_id = ada.submit("a secret garden", **SMALL)["id"]
    issued = ada.client.post(f"/tasks/{task_id}/ws-ticket").json()["ticket"]

    async def watch() -> None:
        async with connect(f"ws://localhost:{product.port}/ws/tasks/{task_id}?ticket={issued}") as (
            socket
        ):
            await socket.recv()

    asyncio.run(watch())

    log = product.log.read_text()
    assert f"/ws/tasks/{task_id}" in log
    assert issued not in log


async def test_more_polls_than_a_process_has_connections_to_redis_hold_up_nobody(product, ada):
    task = await asyncio.to_thread(ada.submit_slow, 20)
    address = f"{product.origin}/api/v1/tasks/{task['id']}"

    async with httpx.AsyncClient(headers=bearer(ada), timeout=SECONDS) as client:
        polls = [asyncio.create_task(client.get(f"{address}?wait=20")) for _ in range(3)]
        await client.post(f"{address}/cancel")
        answers = await asyncio.gather(*polls)

    assert {answer.status_code for answer in answers} <= {200, 429}
    assert 200 in {answer.status_code for answer in answers}


# --- Sockets --------------------------------------------------------------------------------------


async def test_a_refused_handshake_says_why(product, ada):
    address = f"ws://localhost:{product.port}/ws/tasks/nonsense"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, additional_headers=bearer(ada)):
            pass

    answer = refused.value.response
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    problem = json.loads(answer.body or b"{}")
    assert problem["detail"] == "task_id must be a UUID."


async def test_a_proxy_may_rewrite_the_path_as_for_a_gateway(product, ada):
    task_id = await submitted(ada, "a lighthouse")
    address = f"ws://localhost:{product.port}/live"

    async with connect(f"{address}?task_id={task_id}", additional_headers=bearer(ada)) as socket:
        assert json.loads(await socket.recv())["task_id"] == task_id
    assert await refusal(address, additional_headers=bearer(ada)) == 400


async def test_a_ping_gets_an_answer_and_anything_else_an_error(ada):
    task = await asyncio.to_thread(ada.submit_slow, 20)

    async with asyncio.timeout(SECONDS), ada.socket(task["id"]) as socket:
        kinds = [json.loads(await socket.recv())["type"]]
        await socket.send('{"type":"hello"}')
        await socket.send(b"\xff")
        await socket.send('{"type":"ping"}')
        while kinds.count("error") < 2 or "heartbeat" not in kinds:
            kinds.append(json.loads(await socket.recv())["type"])
    await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/cancel")

    assert kinds[0] == "snapshot"


async def test_the_end_of_a_session_closes_its_sockets_and_streams_alone(product, ada):
    task = await asyncio.to_thread(ada.submit_slow, 30)
    headers = {"X-User-Id": ada.user_id}

    async with (
        ada.socket(task["id"]) as socket,
        ada.socket(task["id"], additional_headers=headers) as other,
        event_stream(ada, task["id"]) as stream,
    ):
        await socket.recv()
        await asyncio.to_thread(ada.client.post, "/auth/logout")
        async with asyncio.timeout(SECONDS):
            told = [event async for event in events(stream)]
            last = [json.loads(text) async for text in socket][-1]
        assert (last["type"], last["code"]) == ("error", "session_revoked")
        assert (told[-1]["event"], told[-1]["data"]["code"]) == ("refused", "session_revoked")
        assert socket.close_code == 1000
        cancel = f"{product.origin}/api/v1/tasks/{task['id']}/cancel"
        await asyncio.to_thread(httpx.post, cancel, headers=headers)
        async with asyncio.timeout(SECONDS):
            assert json.loads([text async for text in other][-1])["terminal"]


async def test_all_processes_count_a_users_sockets_and_streams_together(ada):
    task = await asyncio.to_thread(ada.submit_slow, 20)

    async with (
        ada.socket(task["id"]),
        ada.socket(task["id"]),
        event_stream(ada, task["id"]) as third,
        event_stream(ada, task["id"]) as fourth,
    ):
        async with event_stream(ada, task["id"]) as fifth:
            refused = json.loads(await fifth.aread())
        assert (third.status_code, fourth.status_code) == (200, 200)
        assert (fifth.status_code, refused["code"]) == (429, "too_many_sockets")
    async with asyncio.timeout(SECONDS):
        while True:  # those that have closed count no more
            async with event_stream(ada, task["id"]) as again:
                if again.status_code == 200:
                    break
    await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/cancel")


# --- Server-sent events ---------------------------------------------------------------------------


async def test_an_event_stream_has_the_frames_of_a_socket(ada):
    task_id = await submitted(ada, "a lighthouse at dusk")

    async with event_stream(ada, task_id) as answer:
        told = [event async for event in events(answer) if event["event"] != "heartbeat"]
    async with ada.socket(task_id, query="?after=0") as socket:
        frames = [json.loads(text) async for text in socket]

    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert [event["event"] for event in told] == ["snapshot"] + ["update"] * (len(told) - 1)
    assert [int(event["id"]) for event in told] == [event["data"]["sequence"] for event in told]
    seen = [without_time(event["data"]) for event in told]
    assert seen[1:] == [without_time(frame) for frame in frames][-len(seen) + 1 :] or len(seen) == 1
    assert told[-1]["data"]["terminal"]


def without_time(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name not in ("sent_at", "resumed")}


async def test_a_stream_goes_on_after_the_last_event_and_ends_for_who_has_seen_the_end(ada):
    task_id = await submitted(ada, "a field of poppies")
    async with event_stream(ada, task_id) as answer:
        last = [event async for event in events(answer)][-1]["id"]

    async with event_stream(ada, task_id, **bearer(ada), **{"Last-Event-ID": "2"}) as answer:
        missed = [event["data"] async for event in events(answer)]
    assert [frame["sequence"] for frame in missed] == list(range(2, int(last) + 1))
    assert missed[0]["resumed"] is True

    for seen in ({"Last-Event-ID": last}, {"Last-Event-ID": str(int(last) + 7)}):
        async with event_stream(ada, task_id, query="?after=1", **bearer(ada), **seen) as answer:
            assert answer.status_code == 204

    for none_of_ours in ("-1", "1.5", "abc", "9" * 30, ""):
        garbage = {"Last-Event-ID": none_of_ours}
        async with event_stream(ada, task_id, **bearer(ada), **garbage) as answer:
            first = await anext(events(answer))
            assert "resumed" not in first["data"]


async def test_a_stream_is_refused_as_a_request_is(ada, bob):
    task_id = await submitted(ada, "a secret garden")
    cookie = "; ".join(f"{name}={value}" for name, value in ada.cookies.items())

    async def status(**headers: str) -> int:
        async with event_stream(ada, task_id, **headers) as answer:
            return answer.status_code

    assert await status(Accept="text/event-stream") == 401
    assert await status(**bearer(bob)) == 404
    assert await status(Cookie=cookie) == 200
    assert await status(Cookie=cookie, **{"Sec-Fetch-Site": "same-origin"}) == 200
    assert await status(Cookie=cookie, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert await status(Cookie=cookie, Origin="https://evil.example") == 403
    async with event_stream(ada, task_id, query="?after=-1") as answer:
        assert answer.status_code == 400
        assert json.loads(await answer.aread())["code"] == "bad_request"


async def test_a_ticket_opens_one_stream(ada):
    task_id = await submitted(ada, "a quiet harbour")
    issued = await asyncio.to_thread(ada.client.post, f"/tasks/{task_id}/ws-ticket")
    query = f"?ticket={issued.json()['ticket']}"

    async with event_stream(ada, task_id, query=query, Accept="*/*") as first:
        assert first.status_code == 200
    async with event_stream(ada, task_id, query=query, Accept="*/*") as second:
        assert second.status_code == 401


# --- The end of the server ------------------------------------------------------------------------


async def test_a_server_that_stops_ends_its_streams_and_sockets_so_that_they_come_again(product):
    with server(product, workers=1) as stopping, sign_up(stopping) as ada:
        task = await asyncio.to_thread(ada.submit_slow, 30)
        async with ada.socket(task["id"]) as socket, event_stream(ada, task["id"]) as stream:
            await socket.recv()

            async def told() -> list[dict[str, Any]]:
                return [event async for event in events(stream)]

            listening = asyncio.create_task(told())
            stopping.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(SECONDS):
                assert all(event["event"] != "refused" for event in await listening)
                await socket.wait_closed()
            assert socket.close_code == 1012
        code = await asyncio.to_thread(stopping.process.wait, SECONDS)
        assert code in (0, -signal.SIGTERM), stopping.log.read_text()  # which it raises again
        await asyncio.to_thread(
            httpx.post,
            f"{product.origin}/api/v1/tasks/{task['id']}/cancel",
            headers={"X-User-Id": ada.user_id},
        )
