"""What people do with their tasks besides watching them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.e2e.product import Person, Product, states
from tests.forgeries import Genuine
from tests.proxy import Proxy
from tests.waiting import until

SMALL = {"width": 64, "height": 64}
AT_ONCE_SECONDS = 2.5  # ticks, which would close it too, come five seconds apart
NEW_PASSWORD = "another long pass phrase"

Watch = Callable[[str, Callable[[], str]], AsyncIterator[dict[str, Any]]]


@pytest.fixture(scope="module")
def documented_watch() -> Watch:
    """The Python client of docs/tasks.md."""
    _, _, rest = (ROOT / "docs" / "tasks.md").read_text().partition("```python\n")
    namespace: dict[str, Any] = {}
    exec(compile(rest.partition("```")[0], "docs/tasks.md", "exec"), namespace)
    watch: Watch = namespace["watch"]
    return watch


async def ended(person: Person, prompt: str) -> dict[str, Any]:
    task = await asyncio.to_thread(person.submit, prompt, **SMALL)
    return (await person.watch(task["id"]))[-1]


async def test_a_ticket_opens_one_socket(ada, bob):
    task = await asyncio.to_thread(ada.submit, "a glass house", **SMALL)
    answer = await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/ws-ticket")
    address = answer.json()["ws_url"]

    async with connect(address) as socket:
        frames = [frame async for frame in states(socket)]
    with pytest.raises(InvalidStatus) as again:
        await connect(address)

    assert frames[-1]["terminal"]
    assert again.value.response.status_code == 401
    stranger = await asyncio.to_thread(bob.client.post, f"/tasks/{task['id']}/ws-ticket")
    assert stranger.status_code == 404


async def test_a_task_is_tried_again_and_deleted(ada):
    first = await ended(ada, "a paper boat")

    retried = await asyncio.to_thread(ada.client.post, f"/tasks/{first['task_id']}/retry")
    second = retried.json()
    last = (await ada.watch(second["id"]))[-1]

    assert (retried.status_code, second["retry_of"]) == (202, first["task_id"])
    assert last["status"] == "completed"
    pictures = [
        await asyncio.to_thread(ada.picture, task_id)
        for task_id in (first["task_id"], second["id"])
    ]
    assert pictures[0] == pictures[1]
    link = ada.client.get(f"/tasks/{second['id']}/result").headers["location"]
    assert ada.client.delete(f"/tasks/{second['id']}").status_code == 204
    assert ada.client.get(f"/tasks/{second['id']}").status_code == 404
    assert httpx.get(link).is_client_error


async def test_the_workers_log_names_the_request_that_created_the_task(ada):
    wanted = {"prompt": "a lighthouse", "parameters": {"width": 64, "height": 64}}
    answer = await asyncio.to_thread(ada.client.post, "/tasks", json=wanted)

    await ada.watch(answer.json()["id"])

    task_id, request_id = answer.json()["id"], answer.headers["X-Request-Id"]
    ended = f'status=completed task_id={task_id} request_id="{request_id}"'
    await asyncio.to_thread(until, lambda: ended in ada.product.log.read_text())


async def test_a_running_task_is_neither_tried_again_nor_deleted(ada):
    task = await asyncio.to_thread(ada.submit_slow, 20)

    def refused() -> set[str]:
        answers = [
            ada.client.post(f"/tasks/{task['id']}/retry"),
            ada.client.delete(f"/tasks/{task['id']}"),
        ]
        return {answer.json()["code"] for answer in answers if answer.status_code == 409}

    assert await asyncio.to_thread(refused) == {"task_not_finished"}
    await asyncio.to_thread(ada.client.post, f"/tasks/{task['id']}/cancel")


async def test_a_task_is_followed_to_its_end_by_long_polls(ada):
    task = await asyncio.to_thread(ada.submit_slow, 2)

    def follow() -> list[dict[str, Any]]:
        seen = [task]
        while not seen[-1]["terminal"]:
            known = {"after": seen[-1]["sequence"], "wait": 20}
            answer = ada.client.get(f"/tasks/{task['id']}", params=known)
            seen.append(answer.json())
        return seen

    seen = await asyncio.to_thread(follow)

    sequences = [state["sequence"] for state in seen]
    assert sequences == sorted(set(sequences))
    assert seen[-1]["status"] == "completed"
    assert len(seen) > 3


async def test_a_known_version_is_not_sent_again(ada):
    task_id = (await ended(ada, "a still life"))["task_id"]

    def ask(**headers: str) -> httpx.Response:
        answer: httpx.Response = ada.client.get(f"/tasks/{task_id}", headers=headers)
        return answer

    first = await asyncio.to_thread(ask)
    headers = {"If-None-Match": first.headers["etag"], "Prefer": "wait=20"}
    again = await asyncio.to_thread(ask, **headers)

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["preference-applied"] == "wait"


def log_out(person: Person) -> httpx.Request:
    return person.client.build_request("POST", "/auth/logout")


def change_password(person: Person) -> httpx.Request:
    change = {"current_password": person.password, "new_password": NEW_PASSWORD}
    return person.client.build_request("POST", "/auth/password/change", json=change)


def reset_password(person: Person) -> httpx.Request:
    person.client.post("/auth/password/forgot", json={"email": person.email}).raise_for_status()
    reset = {"token": person.mailed_token(), "password": NEW_PASSWORD}
    return person.client.build_request("POST", "/auth/password/reset", json=reset)


def undo_change_of_address(person: Person) -> httpx.Request:
    thief = f"thief.of.{person.email}"
    person.client.post("/auth/email/change", json={"email": thief}).raise_for_status()
    moved = {"token": person.mailed_token(thief)}
    person.client.post("/auth/email/confirm", json=moved).raise_for_status()
    undo = {"token": person.mailed_token()}
    return person.client.build_request("POST", "/auth/email/confirm", json=undo)


def revoke_session(person: Person) -> httpx.Request:
    (session,) = person.client.get("/auth/sessions").json()["items"]
    return person.client.build_request("DELETE", f"/auth/sessions/{session['id']}")


def delete_account(person: Person) -> httpx.Request:
    return person.client.build_request("DELETE", "/auth/me")


def stop_painting(person: Person, task_id: str) -> None:
    """Stop the task of somebody who has left, since other tests need the worker."""
    address = f"{person.product.origin}/api/v1/tasks/{task_id}/cancel"
    httpx.post(address, headers={"X-User-Id": person.user_id})


async def is_closed_at_once(person: Person, leave: httpx.Request, **options: Any) -> None:
    """Whether an open socket is closed at once when its owner leaves."""
    task = await asyncio.to_thread(person.submit_slow, 20)

    async with person.socket(task["id"], **options) as socket:
        await socket.recv()
        (await asyncio.to_thread(person.client.send, leave)).raise_for_status()
        left_at = time.monotonic()
        frames = [json.loads(text) async for text in socket]
        seconds = time.monotonic() - left_at

    # Deleting an account also cancels its tasks, which ends a stream as well.
    assert frames[-1].get("code") == "session_revoked" or frames[-1]["terminal"]
    assert seconds < AT_ONCE_SECONDS
    await asyncio.to_thread(stop_painting, person, task["id"])


@pytest.mark.parametrize(
    "leaving",
    [
        log_out,
        change_password,
        reset_password,
        undo_change_of_address,
        revoke_session,
        delete_account,
    ],
)
async def test_losing_access_closes_open_sockets_at_once(ada, leaving):
    await is_closed_at_once(ada, await asyncio.to_thread(leaving, ada))


async def test_deleting_the_account_also_closes_sockets_opened_through_a_trusted_gateway(ada):
    named = {"additional_headers": {"X-User-Id": ada.user_id}}

    await is_closed_at_once(ada, delete_account(ada), **named)


@pytest.fixture
def keys_of_the_product(product: Product, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KEYS_FILE", str(product.data / "keys.json"))
    forget_singletons()
    yield
    forget_singletons()


@pytest.mark.stream_case(16)
async def test_a_socket_closes_when_its_token_expires(ada, keys_of_the_product):
    task = await asyncio.to_thread(ada.submit_slow, 20)
    expires_at = int(time.time()) + 3
    token = Genuine(ada.token).with_claims(exp=expires_at)

    headers = {"Authorization": f"Bearer {token}"}
    async with ada.socket(task["id"], additional_headers=headers) as socket:
        frames = [json.loads(text) async for text in socket]
    closed_at = time.time()
    await asyncio.to_thread(stop_painting, ada, task["id"])

    assert (frames[-1]["type"], frames[-1]["code"]) == ("error", "token_expired")
    assert 0 <= closed_at - expires_at < AT_ONCE_SECONDS


async def test_the_documented_client_sees_every_state_once(ada, documented_watch):
    task = await asyncio.to_thread(ada.submit_slow, 2)

    seen = [frame async for frame in documented_watch(task["ws_url"], lambda: ada.token)]

    assert [frame["sequence"] for frame in seen] == list(range(1, seen[-1]["sequence"] + 1))
    assert (seen[-1]["status"], seen[-1]["terminal"]) == ("completed", True)


async def test_the_documented_client_reconnects_after_its_connection_breaks(ada, documented_watch):
    task = await asyncio.to_thread(ada.submit_slow, 3)
    seen: list[dict[str, Any]] = []

    with Proxy(ada.product.port) as way:
        address = f"ws://127.0.0.1:{way.port}/ws/tasks/{task['id']}"
        async for frame in documented_watch(address, lambda: ada.token):
            seen.append(frame)
            if len(seen) in (2, 4):
                await asyncio.to_thread(way.cut)

    assert [frame["sequence"] for frame in seen] == list(range(1, seen[-1]["sequence"] + 1))
    assert seen[-1]["status"] == "completed"


async def test_the_documented_client_gives_up_when_it_is_refused(ada, bob, documented_watch):
    task = await asyncio.to_thread(ada.submit, "a locked room", **SMALL)

    with pytest.raises(InvalidStatus) as refused:
        async for _ in documented_watch(task["ws_url"], lambda: bob.token):
            pass

    assert refused.value.response.status_code == 404
