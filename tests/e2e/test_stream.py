import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from tests.e2e.product import Person, states
from tests.e2e.queues import over_each_queue

pytestmark = over_each_queue

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def credentials(person: Person, kind: str) -> dict[str, str]:
    """The headers for one kind of credential."""
    cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    return {
        "bearer": {"Authorization": f"Bearer {person.token}"},
        "cookie": {"Cookie": cookie, "Origin": person.product.origin},
        "user id": {"X-User-Id": person.user_id},
    }[kind]


@pytest.mark.parametrize("kind", ["bearer", "cookie", "user id"])
@pytest.mark.stream_case(3)
async def test_a_watcher_sees_a_task_from_its_snapshot_to_its_end(ada, kind):
    task = await asyncio.to_thread(ada.submit_slow, 2)

    async with ada.socket(task["id"], additional_headers=credentials(ada, kind)) as socket:
        frames = [frame async for frame in states(socket)]

    assert [frame["type"] for frame in frames] == ["snapshot"] + ["update"] * (len(frames) - 1)
    first = frames[0]["sequence"]
    assert [frame["sequence"] for frame in frames] == list(range(first, first + len(frames)))
    progress = [frame["progress"] for frame in frames]
    assert progress == sorted(progress)
    assert len(set(progress)) >= 4
    assert [frame["terminal"] for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert (frames[-1]["status"], frames[-1]["progress"]) == ("completed", 1.0)
    assert socket.close_code == 1000


async def test_the_answer_and_every_frame_hold_the_id_of_the_request(ada):
    wanted = {"prompt": "a lighthouse", "parameters": {"width": 64, "height": 64}}
    answer = await asyncio.to_thread(ada.client.post, "/tasks", json=wanted)

    frames = await ada.watch(answer.json()["id"])

    request_id = answer.headers["X-Request-Id"]
    assert request_id
    assert answer.json()["request_id"] == request_id
    assert {frame["request_id"] for frame in frames} == {request_id}


async def test_a_token_may_come_as_a_subprotocol(ada):
    task = await asyncio.to_thread(ada.submit, "a lighthouse")

    async with ada.socket(
        task["id"], additional_headers={}, subprotocols=["tasks.v1", f"bearer.{ada.token}"]
    ) as socket:
        frames = [frame async for frame in states(socket)]

    assert socket.subprotocol == "tasks.v1"
    assert frames[-1]["terminal"]


async def test_a_connect_after_the_end_gets_the_last_state_and_a_normal_close(ada):
    task = await asyncio.to_thread(ada.submit, "a quiet harbour", width=64, height=64)
    await ada.watch(task["id"])

    async with ada.socket(task["id"]) as socket:
        only = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()

    assert (only["type"], only["status"], only["terminal"]) == ("snapshot", "completed", True)
    assert socket.close_code == 1000


async def test_missed_events_are_replayed(ada):
    task = await asyncio.to_thread(ada.submit, "a field of poppies", width=128, height=128)
    whole = await ada.watch(task["id"])

    async with ada.socket(task["id"], query="?after=2") as socket:
        replayed = [frame async for frame in states(socket)]

    last = whole[-1]["sequence"]
    assert [frame["sequence"] for frame in replayed] == list(range(2, last + 1))
    assert replayed[0]["resumed"] is True


async def refusal(address: str, **options: object) -> int:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, **options):  # type: ignore[arg-type]
            pass
    return refused.value.response.status_code


async def test_a_client_that_may_not_watch_is_refused_before_the_socket_opens(ada, bob):
    task = await asyncio.to_thread(ada.submit, "a secret garden", width=64, height=64)
    address = f"ws://localhost:{ada.product.port}/ws/tasks"
    evil = {**credentials(ada, "cookie"), "Origin": "https://evil.example"}
    forwarded = {"X-User-Id": ada.user_id, "X-Forwarded-For": "203.0.113.9"}

    assert await refusal(f"{address}/{task['id']}") == 401
    assert await refusal(f"{address}/{task['id']}", additional_headers=evil) == 401
    assert await refusal(f"{address}/{task['id']}", additional_headers=forwarded) == 401
    assert (
        await refusal(f"{address}/{task['id']}", additional_headers=credentials(bob, "bearer"))
        == 404
    )
    assert (
        await refusal(f"{address}/{UNKNOWN}", additional_headers=credentials(ada, "bearer")) == 404
    )
    assert (
        await refusal(f"{address}/nonsense", additional_headers=credentials(ada, "bearer")) == 400
    )


async def test_a_cancelled_task_ends_its_stream(ada):
    task = await asyncio.to_thread(ada.submit_slow, 20)

    async with ada.socket(task["id"]) as socket:
        frames = []
        async for frame in states(socket):
            frames.append(frame)
            if frame["status"] == "processing" and not frame["cancel_requested"]:
                await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/cancel")

    assert frames[-1]["status"] == "cancelled"
    assert socket.close_code == 1000


async def test_two_watchers_see_the_same_states(ada):
    task = await asyncio.to_thread(ada.submit, "two moons over a desert")

    first, second = await asyncio.gather(ada.watch(task["id"]), ada.watch(task["id"]))

    by_sequence = {frame["sequence"]: frame["status"] for frame in first}
    shared = [frame for frame in second if frame["sequence"] in by_sequence]
    assert shared
    assert all(by_sequence[frame["sequence"]] == frame["status"] for frame in shared)
    assert first[-1]["sequence"] == second[-1]["sequence"]


@pytest.mark.case("L6")
async def test_a_revoked_key_closes_its_sockets(ada):
    wanted = {"name": "A program", "scopes": ["tasks:read"]}
    made = (await asyncio.to_thread(ada.client.post, "/auth/api-keys", json=wanted)).json()
    task = await asyncio.to_thread(ada.submit_slow, 60)
    headers = {"Authorization": f"Bearer {made['key']}"}

    async with ada.socket(task["id"], additional_headers=headers) as socket:
        await socket.recv()
        await asyncio.to_thread(ada.client.delete, f"/auth/api-keys/{made['id']}")
        async with asyncio.timeout(30):
            frames = [json.loads(text) async for text in socket]

    assert frames[-1]["code"] == "session_revoked"
    await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/cancel")
