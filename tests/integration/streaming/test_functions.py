import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from redis import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from functions.ws_broadcast import deliver, tick
from functions.ws_connect import connect, disconnect, receive
from shared import clock, settings
from shared.clients import redis_client
from shared.process import metrics
from shared.process.event_loop import run
from shared.security import access_tokens
from shared.security.authority import Authority
from shared.singletons import forget_singletons
from shared.stream.connections import DUE_KEY, Cursor, connections
from shared.stream.gateway import gateway
from shared.stream.reader import TaskHead, reader
from shared.stream.tickets import tickets
from tests.catalogue.gateway import request as gateway_request
from tests.recorded import recording
from tests.watchers import Story, connection
from tests.websocket_events import (
    CONNECTION_ID,
    SCHEDULE_EVENT,
    ConnectionsApi,
    connect_event,
    deliver_body,
    disconnect_event,
    message_event,
    serving_connections,
    sqs_event,
    tick_body,
)

NEXT_CENTURY = 4102444800
SOME_ID = "0a89f0bd-3a3a-4f5e-9d35-5a6b1f6d9c11"


@dataclass
class Site:
    """The functions' surroundings: settings, a database, Redis as queue, an @connections API."""

    settings: pytest.MonkeyPatch
    story: Story
    api: ConnectionsApi
    queue: Redis

    def rung(self, actor: str) -> list[dict[str, str]]:
        """The arguments of the messages in the queue for an actor."""
        waiting = self.queue.hgetall(f"dramatiq:{actor}.msgs")
        delayed = self.queue.hgetall(f"dramatiq:{actor}.DQ.msgs")
        messages = [*waiting.values(), *delayed.values()]
        return [dramatiq.Message.decode(cast(bytes, message)).kwargs for message in messages]

    def change(self, **variables: str) -> None:
        """Set variables for the functions that run from now on."""
        run(close_clients())
        for name, value in variables.items():
            self.settings.setenv(name, value)
        forget_singletons()

    def watch(self, task: UUID) -> str:
        """Register an open socket that has not been sent anything yet."""
        head = run(reader().task(task)) or TaskHead(uuid4(), 1)
        watcher = connection(task, user_id=head.user_id)
        run(connections().register(watcher, Cursor(first=head.sequence)))
        self.api.open.add(watcher.id)
        return watcher.id


@pytest.fixture
def site(backend: pytest.MonkeyPatch, redis_server: str) -> Iterator[Site]:
    engine = create_async_engine(settings.database().url.get_secret_value())
    with serving_connections() as api, Redis.from_url(f"{redis_server}/1") as queue:
        site = Site(backend, Story(engine), api, queue)
        site.change(AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=api.url, TRUST_USER_ID_HEADER="off")
        yield site
        run(close_clients())
    run(engine.dispose())


async def close_clients() -> None:
    await reader().close()
    await redis_client.client().aclose()
    if "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI" in os.environ:
        await gateway().aclose()


@dataclass
class Watcher:
    """A signed-in user with a task."""

    user: UUID
    session: UUID
    task: UUID

    @property
    def token(self) -> str:
        now = clock.now()
        return access_tokens.issue(
            user_id=self.user,
            session_id=self.session,
            generation=0,
            epoch=0,
            authenticated_at=now,
            expires_at=now + timedelta(seconds=600),
        )

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def watcher(site: Site) -> Watcher:
    user = run(site.story.user())
    return Watcher(user, run(site.story.session(user)), run(site.story.task(user)))


def status(event: dict[str, Any]) -> int:
    answer: int = connect.handler(event, None)["statusCode"]
    return answer


def open_socket(watcher: Watcher, task: UUID, connection_id: str) -> dict[str, Any]:
    event = connect_event({"task_id": task}, headers=watcher.bearer, connection_id=connection_id)
    answer: dict[str, Any] = connect.handler(event, None)
    return answer


def ticket_for(watcher: Watcher) -> str:
    authority = Authority(watcher.user, watcher.session, 0, NEXT_CENTURY)
    return run(tickets().issue(watcher.task, authority))


class TestConnect:
    def test_registers_the_socket_and_wakes_the_deliverer(self, site: Site, watcher: Watcher):
        answer = connect.handler(
            connect_event({"task_id": watcher.task}, headers=watcher.bearer), None
        )

        found = run(connections().find(CONNECTION_ID))
        assert answer == {"statusCode": 200, "headers": {}}
        assert found is not None
        assert (found.task_id, found.user_id) == (watcher.task, watcher.user)
        assert (found.session_id, found.epoch) == (watcher.session, 0)
        assert found.connected_at_ms == 1776784101000
        assert abs((found.expires_at or 0) - time.time() - 600) < 5
        assert run(connections().cursors(watcher.task)) == {CONNECTION_ID: Cursor()}
        assert site.rung("deliver") == [{"task_id": str(watcher.task)}]

    @pytest.mark.stream_case(62)
    def test_never_posts(self, site: Site, watcher: Watcher):
        status(connect_event({"task_id": watcher.task}, headers=watcher.bearer))

        assert site.api.requests == []

    def test_remembers_where_the_task_stood(self, site: Site, watcher: Watcher):
        run(site.story.progress(watcher.task))

        status(connect_event({"task_id": watcher.task}, headers=watcher.bearer))

        assert run(connections().cursors(watcher.task)) == {CONNECTION_ID: Cursor(first=2)}

    def test_remembers_what_the_client_has_seen(self, site: Site, watcher: Watcher):
        query = {"task_id": watcher.task, "after": 3}

        status(connect_event(query, headers=watcher.bearer))

        assert run(connections().cursors(watcher.task)) == {CONNECTION_ID: Cursor(after=3)}

    def test_takes_the_token_as_a_subprotocol_and_answers_only_ours(self, site, watcher):
        offered = {"Sec-WebSocket-Protocol": f"tasks.v1, bearer.{watcher.token}"}

        answer = connect.handler(connect_event({"task_id": watcher.task}, headers=offered), None)

        assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "tasks.v1"}}

    @pytest.mark.parametrize(
        ("origin", "expected"),
        [
            ("http://localhost:8000", 200),
            ("http://localhost:8000.evil.example", 401),
            ("null", 401),
            (None, 401),
        ],
    )
    def test_takes_the_cookie_from_our_pages_only(self, site, watcher, origin, expected):
        headers = {"Cookie": f"a=b; access_token={watcher.token}"}
        headers |= {"Origin": origin} if origin else {}

        assert status(connect_event({"task_id": watcher.task}, headers=headers)) == expected

    def test_refuses_a_foreign_page_whatever_its_credential(self, site, watcher):
        headers = {**watcher.bearer, "Origin": "https://evil.example"}

        assert status(connect_event({"task_id": watcher.task}, headers=headers)) == 401

    @pytest.mark.parametrize(
        ("trust", "source_ip", "expected"),
        [("off", "127.0.0.1", 401), ("local", "127.0.0.1", 200), ("local", "192.0.2.1", 401)],
    )
    def test_takes_the_user_from_a_header_only_where_it_is_trusted(
        self, site, watcher, trust, source_ip, expected
    ):
        site.change(TRUST_USER_ID_HEADER=trust)
        headers = {"X-User-Id": str(watcher.user)}
        event = connect_event({"task_id": watcher.task}, headers=headers, source_ip=source_ip)

        assert status(event) == expected

    def test_refuses_a_named_user_who_does_not_exist(self, site, watcher):
        site.change(TRUST_USER_ID_HEADER="local")
        headers = {"X-User-Id": str(uuid4())}
        event = connect_event({"task_id": watcher.task}, headers=headers, source_ip="127.0.0.1")

        assert status(event) == 401

    def test_refuses_a_request_without_a_credential(self, site, watcher):
        answer = connect.handler(connect_event({"task_id": watcher.task}), None)

        assert answer["statusCode"] == 401
        assert answer["headers"]["WWW-Authenticate"] == 'Bearer realm="api"'
        assert json.loads(answer["body"])["code"] == "unauthenticated"

    @pytest.mark.parametrize("way", ["header", "subprotocol", "ticket"])
    def test_takes_an_api_key_that_may_read_tasks(self, site, watcher, way):
        key = run(site.story.key(watcher.user))
        headers = {"Authorization": f"Bearer {key}"}
        query: dict[str, Any] = {"task_id": watcher.task}
        if way == "subprotocol":
            headers = {"Sec-WebSocket-Protocol": f"tasks.v1, bearer.{key}"}
        elif way == "ticket":
            path = f"/tasks/{watcher.task}/ws-ticket"
            ticket = gateway_request("POST", path, token=key).json["ticket"]
            headers, query = {}, {**query, "ticket": ticket}

        assert status(connect_event(query, headers=headers)) == 200

        found = run(connections().find(CONNECTION_ID))
        assert found is not None
        assert (found.user_id, found.epoch, found.expires_at) == (watcher.user, 0, None)
        assert found.session_id is not None

    @pytest.mark.parametrize(
        ("scopes", "hours", "expected"),
        [("tasks:write account:read", 1, 403), ("tasks:read", -1, 401), ("tasks:read", 1, 200)],
    )
    def test_refuses_an_api_key_that_may_not_read_tasks_or_has_ended(
        self, site, watcher, scopes, hours, expected
    ):
        ends = clock.now() + timedelta(hours=hours)
        headers = {
            "Authorization": f"Bearer {run(site.story.key(watcher.user, scopes, expires_at=ends))}"
        }

        assert status(connect_event({"task_id": watcher.task}, headers=headers)) == expected

    def test_refuses_an_api_key_of_somebody_else_and_one_that_was_revoked(self, site, watcher):
        stranger = run(site.story.user())
        keys = [run(site.story.key(each)) for each in (stranger, watcher.user)]
        run(site.story.revoke_keys(watcher.user))

        answers = [
            status(
                connect_event({"task_id": watcher.task}, headers={"Authorization": f"Bearer {key}"})
            )
            for key in keys
        ]

        assert answers == [404, 401]

    def test_refuses_a_revoked_session(self, site, watcher):
        run(site.story.revoke(watcher.session))

        assert status(connect_event({"task_id": watcher.task}, headers=watcher.bearer)) == 401

    def test_refuses_a_token_from_before_all_tokens_of_the_account_were_ended(self, site, watcher):
        user = run(site.story.user(auth_epoch=1))
        ended = Watcher(user, run(site.story.session(user)), run(site.story.task(user)))

        assert status(connect_event({"task_id": ended.task}, headers=ended.bearer)) == 401

    def test_refuses_a_token_that_names_somebody_elses_session(self, site, watcher):
        stranger = run(site.story.user())
        borrowed = Watcher(watcher.user, run(site.story.session(stranger)), watcher.task)

        assert status(connect_event({"task_id": borrowed.task}, headers=borrowed.bearer)) == 401

    def test_refuses_a_broken_token(self, site, watcher):
        headers = {"Authorization": f"Bearer {watcher.token}x"}

        assert status(connect_event({"task_id": watcher.task}, headers=headers)) == 401

    def test_a_ticket_opens_one_socket_in_the_name_of_its_session(self, site, watcher):
        query = {"task_id": watcher.task, "ticket": ticket_for(watcher)}

        first, second = status(connect_event(query)), status(connect_event(query))

        assert (first, second) == (200, 401)
        found = run(connections().find(CONNECTION_ID))
        assert found is not None
        assert (found.user_id, found.session_id) == (watcher.user, watcher.session)
        assert (found.epoch, found.expires_at) == (0, NEXT_CENTURY)

    def test_a_ticket_overrides_every_other_credential(self, site, watcher):
        cookie = {"Cookie": "access_token=expired", "Origin": "http://localhost:8000"}
        good = connect_event(
            {"task_id": watcher.task, "ticket": ticket_for(watcher)}, headers=cookie
        )
        bad = connect_event({"task_id": watcher.task, "ticket": "x"}, headers=watcher.bearer)

        refused = connect.handler(bad, None)
        assert status(good) == 200
        assert (refused["statusCode"], json.loads(refused["body"])["code"]) == (
            *(401, "invalid_ticket"),
        )

    def test_a_ticket_that_was_shown_for_another_task_opens_nothing_afterwards(self, site, watcher):
        ticket, other = ticket_for(watcher), run(site.story.task(watcher.user))

        answers = [
            status(connect_event({"task_id": task, "ticket": ticket}))
            for task in (other, watcher.task)
        ]

        assert answers == [401, 401]

    @pytest.mark.parametrize("ticket", ["", "x", "x" * 4000, "*", "é"])
    def test_a_value_that_is_no_ticket_opens_nothing(self, site, watcher, ticket):
        assert status(connect_event({"task_id": watcher.task, "ticket": ticket})) == 401

    def test_two_tickets_are_refused(self, site, watcher):
        query = [("task_id", watcher.task), ("ticket", "a"), ("ticket", "b")]

        assert status(connect_event(query)) == 400

    def test_a_ticket_soon_expires(self, site, watcher):
        query = {"task_id": watcher.task, "ticket": ticket_for(watcher)}
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            [key] = redis.keys("ws:ticket:*")
            redis.pexpire(key, 1)
            while redis.exists(key):
                pass

        assert status(connect_event(query)) == 401

    def test_a_ticket_of_an_ended_session_opens_nothing(self, site, watcher):
        query = {"task_id": watcher.task, "ticket": ticket_for(watcher)}
        run(site.story.revoke(watcher.session))

        assert status(connect_event(query)) == 401

    def test_a_foreign_page_can_neither_use_a_ticket_nor_use_it_up(self, site, watcher):
        query = {"task_id": watcher.task, "ticket": ticket_for(watcher)}
        evil = {"Origin": "https://evil.example"}

        assert status(connect_event(query, headers=evil)) == 401
        assert status(connect_event(query)) == 200

    def test_one_user_has_a_limited_number_of_sockets(self, site, watcher):
        site.change(WS_SOCKETS_PER_USER="2", WS_SOCKETS_PER_TASK="2")
        tasks = [run(site.story.task(watcher.user)) for _ in range(3)]

        answers = [open_socket(watcher, task, f"socket-{task}") for task in tasks]

        assert [answer["statusCode"] for answer in answers] == [200, 200, 429]
        assert json.loads(answers[2]["body"])["code"] == "too_many_sockets"
        assert int(answers[2]["headers"]["Retry-After"]) > 0
        assert run(connections().find(f"socket-{tasks[2]}")) is None

    def test_one_task_has_a_limited_number_of_sockets_of_its_owner(self, site, watcher):
        site.change(WS_SOCKETS_PER_TASK="2")
        other = run(site.story.task(watcher.user))

        answers = [open_socket(watcher, watcher.task, f"socket-{n}") for n in range(3)]

        assert [answer["statusCode"] for answer in answers] == [200, 200, 429]
        assert open_socket(watcher, other, "socket-3")["statusCode"] == 200

    def test_a_closed_socket_makes_room_for_another(self, site, watcher):
        site.change(WS_SOCKETS_PER_TASK="1")
        open_socket(watcher, watcher.task, "first")
        disconnect.handler(disconnect_event("first"), None)

        assert open_socket(watcher, watcher.task, "second")["statusCode"] == 200
        assert open_socket(watcher, watcher.task, "third")["statusCode"] == 429

    def test_the_socket_is_reviewed_when_its_token_expires(self, site, watcher):
        open_socket(watcher, watcher.task, CONNECTION_ID)

        assert site.rung("tick") == [{"user_id": str(watcher.user)}]
        assert site.queue.hlen("dramatiq:tick.DQ.msgs") == 1

    @pytest.mark.stream_case(15)
    def test_foreign_and_missing_tasks_are_alike(self, site, watcher):
        foreign = run(site.story.task())

        refusals = [
            connect.handler(connect_event({"task_id": task}, headers=watcher.bearer), None)
            for task in (foreign, uuid4())
        ]

        assert refusals[0] == refusals[1]
        assert refusals[0]["statusCode"] == 404
        assert run(connections().ids()) == []

    @pytest.mark.parametrize(
        "task_id", ["", "1", "../x", "x" * 4000, "\x00", f"{{{SOME_ID}}}", SOME_ID.replace("-", "")]
    )
    def test_refuses_a_value_that_is_no_task_id(self, site, watcher, task_id):
        assert status(connect_event({"task_id": task_id}, headers=watcher.bearer)) == 400

    def test_refuses_no_task_id_and_two(self, site, watcher):
        twice = [("task_id", watcher.task), ("task_id", watcher.task)]

        assert status(connect_event(headers=watcher.bearer)) == 400
        assert status(connect_event(twice, headers=watcher.bearer)) == 400

    @pytest.mark.parametrize("after", ["-1", "1.5", "abc", str(2**63), "", "01", "٣", "9" * 40])
    @pytest.mark.stream_case(26)
    def test_refuses_a_value_that_is_no_sequence(self, site, watcher, after):
        query = {"task_id": watcher.task, "after": after}

        assert status(connect_event(query, headers=watcher.bearer)) == 400

    @pytest.mark.stream_case(26)
    def test_refuses_two_sequences(self, site, watcher):
        query = [("task_id", watcher.task), ("after", 1), ("after", 1)]

        assert status(connect_event(query, headers=watcher.bearer)) == 400

    @pytest.mark.parametrize("variable", ["REDIS_URL", "QUEUE_URL", "DATABASE_URL"])
    @pytest.mark.stream_case(62)
    def test_nothing_is_registered_while_a_service_is_unavailable(self, site, watcher, variable):
        event = connect_event({"task_id": watcher.task}, headers=watcher.bearer)
        away = {"DATABASE_URL": "sqlite+aiosqlite:////nowhere/none.db"}
        present = os.environ[variable]

        site.change(**{variable: away.get(variable, "redis://127.0.0.1:1/0")})
        refused = status(event)
        site.change(**{variable: present})

        assert refused == 503
        assert run(connections().ids()) == []
        assert run(connections().cursors(watcher.task)) == {}


class TestDisconnect:
    def test_forgets_the_socket(self, site: Site, watcher: Watcher):
        gone = site.watch(watcher.task)

        disconnect.handler(disconnect_event(gone), None)

        assert run(connections().find(gone)) is None
        assert run(connections().cursors(watcher.task)) == {}
        assert run(connections().ids()) == []

    def test_an_unknown_socket_is_no_error(self, site: Site):
        assert disconnect.handler(disconnect_event(), None) == {"statusCode": 200}

    def test_never_raises(self, site: Site):
        site.change(REDIS_URL="redis://127.0.0.1:1/0")

        assert disconnect.handler(disconnect_event(), None) == {"statusCode": 200}


class TestReceive:
    def test_a_ping_is_answered_by_a_heartbeat(self, site: Site, watcher: Watcher):
        socket = site.watch(watcher.task)
        run(connections().advance(watcher.task, socket, 1))
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            redis.zadd(DUE_KEY, {socket: 0})

        receive.handler(message_event('{"type":"ping"}', socket), None)

        [frame] = site.api.frames[socket]
        assert (frame["type"], frame["sequence"]) == ("heartbeat", 1)
        assert run(connections().claim_due(within_seconds=10, limit=1)) == []

    @pytest.mark.parametrize("body", ["", "hello", "[]", '{"type":"auth"}', "[" * 5000, "null"])
    def test_anything_else_is_answered_by_an_error(self, site: Site, watcher: Watcher, body):
        socket = site.watch(watcher.task)

        receive.handler(message_event(body, socket), None)

        [frame] = site.api.frames[socket]
        assert (frame["type"], frame["code"]) == ("error", "unknown_message")

    def test_a_flood_is_not_answered(self, site: Site, watcher: Watcher):
        socket = site.watch(watcher.task)

        for _ in range(30):
            receive.handler(message_event("hello", socket), None)

        assert 10 <= len(site.api.frames[socket]) <= 20

    def test_a_socket_nobody_knows_is_closed(self, site: Site):
        site.api.open.add(CONNECTION_ID)

        receive.handler(message_event('{"type":"ping"}'), None)

        assert site.api.closed == {CONNECTION_ID}

    def test_an_unavailable_gateway_or_redis_is_no_error(self, site: Site, watcher: Watcher):
        socket = site.watch(watcher.task)
        site.api.answers.append(500)
        overloaded = receive.handler(message_event("hello", socket), None)
        site.change(REDIS_URL="redis://127.0.0.1:1/0")
        away = receive.handler(message_event("hello", socket), None)

        assert overloaded == away == {"statusCode": 200}


class TestDeliver:
    @pytest.mark.stream_case(63)
    def test_a_batch_brings_every_watcher_up_to_date(self, site: Site, watcher: Watcher):
        first, task = site.watch(watcher.task), watcher.task
        event = sqs_event([(str(task), deliver_body(task))] * 3)

        answer = deliver.handler(event, None)
        run(site.story.complete(task))
        deliver.handler(event, None)

        assert answer == {"batchItemFailures": []}
        assert [frame["sequence"] for frame in site.api.frames[first]] == [1, 2]
        assert site.api.closed == {first}

    @pytest.mark.stream_case(64)
    def test_a_redelivered_batch_sends_nothing_twice(self, site: Site, watcher: Watcher):
        socket = site.watch(watcher.task)
        event = sqs_event([(str(watcher.task), deliver_body(watcher.task))])

        for _ in range(3):
            deliver.handler(event, None)

        assert len(site.api.frames[socket]) == 1

    @pytest.mark.stream_case(66)
    def test_a_failure_fails_only_the_wake_ups_of_its_task_but_all_of_them(
        self, site: Site, watcher: Watcher
    ):
        other = run(site.story.task())
        first, second = site.watch(watcher.task), site.watch(other)
        site.api.answers.append(429)  # to whichever socket is served first
        tasks = [watcher.task, other, watcher.task]
        event = sqs_event([(str(task), deliver_body(task)) for task in tasks])

        answer = deliver.handler(event, None)

        failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        served = [socket for socket in (first, second) if socket in site.api.frames]
        assert (served, failures) in [([second], ["m0", "m2"]), ([first], ["m1"])]

    @pytest.mark.stream_case(37)
    @pytest.mark.parametrize("garbage", ["garbage", "{", "[]", tick_body(), tick_body(task_id="x")])
    def test_only_the_invalid_record_of_a_batch_fails(
        self, site: Site, watcher: Watcher, garbage: str
    ):
        socket = site.watch(watcher.task)
        group, body = str(watcher.task), deliver_body(watcher.task)

        with recording() as records:
            answer = deliver.handler(sqs_event([(group, garbage), (group, body)]), None)

        assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        assert records.all(metrics.MESSAGES_REJECTED) == {("deliver", "unreadable"): 1}
        assert len(site.api.frames[socket]) == 1

    @pytest.mark.stream_case(66)
    def test_an_overloaded_gateway_fails_the_record(self, site: Site, watcher: Watcher):
        socket = site.watch(watcher.task)
        site.api.answers.append(429)
        event = sqs_event([(str(watcher.task), deliver_body(watcher.task))])

        first, second = deliver.handler(event, None), deliver.handler(event, None)

        assert first == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        assert second == {"batchItemFailures": []}
        assert len(site.api.frames[socket]) == 1

    def test_a_worker_delivers_and_survives_a_failure(self, site: Site, watcher: Watcher, caplog):
        broker = StubBroker(middleware=[])
        deliver.register(broker)
        socket = site.watch(watcher.task)
        actor = broker.get_actor("deliver")
        site.api.answers.append(500)

        with caplog.at_level(logging.ERROR):
            actor(str(watcher.task))
        actor(str(watcher.task))

        assert "A delivery failed" in caplog.messages
        assert len(site.api.frames[socket]) == 1


class TestTick:
    def test_the_schedule_spreads_ticks_over_the_minute(self, site: Site):
        site.change(TICK_DELAYS_SECONDS="0 15 30")

        tick.handler(SCHEDULE_EVENT, None)

        assert site.rung("tick") == [{}, {}, {}]

    def test_a_tick_message_makes_up_for_lost_wake_ups(self, site: Site, watcher: Watcher):
        site.watch(watcher.task)

        tick.handler(sqs_event([("", tick_body())]), None)

        assert site.rung("deliver") == [{"task_id": str(watcher.task)}]

    def test_a_users_tick_closes_the_sockets_that_may_not_stay_open(
        self, site: Site, watcher: Watcher
    ):
        kept = site.watch(watcher.task)
        open_socket(watcher, watcher.task, CONNECTION_ID)
        site.api.open.add(CONNECTION_ID)
        run(site.story.revoke(watcher.session))

        tick.handler(sqs_event([("", tick_body(user_id=str(watcher.user)))]), None)
        deliver.handler(sqs_event([("", deliver_body(watcher.task))]), None)

        [frame] = site.api.frames[CONNECTION_ID]
        assert (frame["type"], frame["code"]) == ("error", "session_revoked")
        assert site.api.closed == {CONNECTION_ID}
        assert [frame["type"] for frame in site.api.frames[kept]] == ["snapshot"]

    def test_one_bad_record_fails_no_other(self, site: Site, watcher: Watcher):
        site.watch(watcher.task)
        bodies = ["garbage", tick_body(user_id="nobody"), tick_body()]

        with recording() as records:
            answer = tick.handler(sqs_event([("", body) for body in bodies]), None)

        assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}
        assert records.all(metrics.MESSAGES_REJECTED) == {("tick", "unreadable"): 2}
        assert site.rung("deliver") == [{"task_id": str(watcher.task)}]

    def test_a_failed_tick_returns_to_the_queue(self, site: Site, watcher: Watcher):
        site.change(REDIS_URL="redis://127.0.0.1:1")

        answer = tick.handler(sqs_event([("", tick_body())]), None)

        assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}

    def test_a_worker_ticks(self, site: Site, watcher: Watcher):
        broker = StubBroker(middleware=[])
        tick.register(broker)
        site.watch(watcher.task)

        broker.get_actor("tick")()

        assert site.rung("deliver") == [{"task_id": str(watcher.task)}]
