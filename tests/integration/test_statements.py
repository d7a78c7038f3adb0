"""How much each route asks of the database, so that no statement creeps in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

import functions.auth.authorize
import functions.auth.list_sessions
import functions.auth.login
import functions.auth.logout
import functions.auth.me
import functions.auth.refresh
import functions.health.health
import functions.tasks.cancel
import functions.tasks.create
import functions.tasks.delete
import functions.tasks.get
import functions.tasks.list
import functions.tasks.result
import functions.tasks.retry
import functions.tasks.ws_ticket
from shared import database, dependencies
from shared.dependencies import Patience
from shared.services import refresh_rotation
from tests.auth import EMAIL, PASSWORD, open_account, sign_in
from tests.http import Answer, call
from tests.task_functions import complete

# By route: statements, and the transactions that hold them. What begins and ends a transaction is
# not counted.
ASKED: Mapping[str, tuple[int, int]] = {
    "GET /api/health": (1, 1),
    "POST /api/v1/auth/login": (5, 3),
    "GET /api/v1/auth/me": (1, 1),
    "GET /api/v1/auth/authorize": (1, 1),
    "GET /api/v1/auth/sessions": (2, 2),
    "POST /api/v1/tasks": (7, 2),
    "POST /api/v1/tasks with a key": (10, 2),
    "GET /api/v1/tasks": (2, 2),
    "GET /api/v1/tasks/{id}": (1, 1),
    "POST /api/v1/tasks/{id}/ws-ticket": (2, 2),
    "GET /api/v1/tasks/{id}/result": (1, 1),
    "POST /api/v1/tasks/{id}/retry": (9, 3),
    "POST /api/v1/tasks/{id}/cancel": (4, 3),
    "DELETE /api/v1/tasks/{id}": (3, 3),
    "POST /api/v1/auth/refresh": (4, 3),
    "POST /api/v1/auth/logout": (5, 2),
}
# SQLite's file is written to by a check of its own.
ON_POSTGRESQL: Mapping[str, tuple[int, int]] = {**ASKED, "GET /api/health": (2, 2)}


@dataclass(slots=True)
class Count:
    statements: int = 0
    transactions: int = 0


@contextmanager
def counted() -> Iterator[Count]:
    """What is asked of the database within."""
    count, engine = Count(), database.engine().sync_engine

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith("BEGIN"):
            count.statements += 1

    def transaction(_connection: Any) -> None:
        count.transactions += 1

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": statement,
        "begin": transaction,
    }
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        yield count
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


class Caller:
    """Calls routes, and keeps what each asked of the database."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[int, int]] = {}
        self.token = ""

    def call(self, route: str, function: Any, task_id: object = "", **request: Any) -> Answer:
        method, path = route.split(" ")[:2]
        headers = {"Authorization": f"Bearer {self.token}", **request.pop("headers", {})}
        with counted() as count:
            answer = call(
                function.handler,
                method,
                path.replace("{id}", str(task_id)),
                headers=headers,
                **request,
            )
        assert answer.status < 400, answer.json
        self.asked[route] = count.statements, count.transactions
        return answer


def ask_every_route() -> Mapping[str, tuple[int, int]]:
    open_account()
    sign_in()  # what a process does once only is done
    caller = Caller()
    caller.call("GET /api/health", functions.health.health)
    credentials = {"email": EMAIL, "password": PASSWORD}
    signed_in = caller.call("POST /api/v1/auth/login", functions.auth.login, json_body=credentials)
    caller.token = signed_in.json["access_token"]
    caller.call("GET /api/v1/auth/me", functions.auth.me)
    caller.call("GET /api/v1/auth/authorize", functions.auth.authorize)
    caller.call("GET /api/v1/auth/sessions", functions.auth.list_sessions)
    ask_the_routes_of_tasks(caller)
    refresh = {"refresh_token": signed_in.json["refresh_token"]}
    refreshed = caller.call("POST /api/v1/auth/refresh", functions.auth.refresh, json_body=refresh)
    refresh = {"refresh_token": refreshed.json["refresh_token"]}
    caller.token = refreshed.json["access_token"]
    caller.call("POST /api/v1/auth/logout", functions.auth.logout, json_body=refresh)
    return caller.asked


def ask_the_routes_of_tasks(caller: Caller) -> None:
    new = {"prompt": "a lamp in the rain"}
    task = caller.call("POST /api/v1/tasks", functions.tasks.create, json_body=new).json["id"]
    caller.call(
        "POST /api/v1/tasks with a key",
        functions.tasks.create,
        json_body=new,
        headers={"Idempotency-Key": "first"},
    )
    caller.call("GET /api/v1/tasks", functions.tasks.list)
    caller.call("GET /api/v1/tasks/{id}", functions.tasks.get, task)
    caller.call("POST /api/v1/tasks/{id}/ws-ticket", functions.tasks.ws_ticket, task)
    complete(UUID(task))
    caller.call("GET /api/v1/tasks/{id}/result", functions.tasks.result, task)
    again = caller.call("POST /api/v1/tasks/{id}/retry", functions.tasks.retry, task).json["id"]
    caller.call("POST /api/v1/tasks/{id}/cancel", functions.tasks.cancel, again)
    caller.call("DELETE /api/v1/tasks/{id}", functions.tasks.delete, again)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine a refresh reads the database's clock again, and what gives no answer in
    time is done later."""
    monkeypatch.setattr(refresh_rotation, "CLOCK_READINGS", 1)
    monkeypatch.setattr(
        dependencies, "PATIENCE", dict.fromkeys(dependencies.PATIENCE, Patience(60, 60))
    )


@pytest.mark.usefixtures("backend")
def test_each_route_asks_as_much_of_sqlite_as_the_table_says():
    assert ask_every_route() == ASKED


@pytest.mark.usefixtures("postgresql_backend")
def test_each_route_asks_as_much_of_postgresql_as_the_table_says():
    assert ask_every_route() == ON_POSTGRESQL
