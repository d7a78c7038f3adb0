import base64
import hashlib
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidCursor
from shared.process.event_loop import run
from shared.repositories.tasks import CHECK_BYTES, Cursor
from tests.task_functions import get, list_tasks
from tests.tasks import make_task, make_user


@pytest.fixture
def owner(backend: pytest.MonkeyPatch) -> UUID:
    return run(make_user())


def cursor_of(content: str) -> str:
    """A cursor that is whole, whatever it says."""
    check = hashlib.sha256(content.encode()).digest()[:CHECK_BYTES]
    return base64.urlsafe_b64encode(check + content.encode()).decode().rstrip("=")


SOME_ID = "0a89f0bd3a3a4f5e9d355a6b1f6d9c11"


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "AAAA", "MjAyNi0wMS0wMSAx", "%00", "é", "A" * 200),
        base64.urlsafe_b64encode(f"2026-01-01T00:00:00+00:00 {SOME_ID}".encode()).decode(),
        cursor_of(f"0001-01-01T00:00:00+23:59 {SOME_ID}"),
        cursor_of(f"9999-12-31T23:59:59-23:59 {SOME_ID}"),
        cursor_of(f"2026-01-01T00:00:00 {SOME_ID}"),
        cursor_of(f"2026-02-30T00:00:00+00:00 {SOME_ID}"),
        cursor_of(f"2026-01-01T00:00:00+00:00:00.5 {SOME_ID}"),
        cursor_of(f"2026-W01-1T00:00:00+00:00 {SOME_ID}"),
        cursor_of(f"20260101T000000Z {SOME_ID}"),
        cursor_of(f"2026-01-01T00:00:00+00:00 {SOME_ID.upper()}"),
        cursor_of(f"2026-01-01T00:00:00+00:00 {SOME_ID[1:]}"),
        cursor_of("2026-01-01T00:00:00+00:00 1"),
        cursor_of("2026-01-01T00:00:00+00:00"),
    ],
)
def test_a_cursor_of_another_list_is_refused(owner, cursor):
    answer = list_tasks(owner, cursor=cursor)

    assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


@given(st.data())
def test_a_cursor_is_read_back_and_refused_after_any_change(data):
    instants = st.datetimes(timezones=st.just(UTC))
    cursor = Cursor(data.draw(instants), data.draw(st.uuids()))
    text = cursor.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_characters=text[place]))

    assert Cursor.decode(text) == cursor
    for changed in (text[:place] + other + text[place + 1 :], text[:place], text + other):
        with pytest.raises(InvalidCursor):
            Cursor.decode(changed)


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("server", ["backend", "postgresql_backend"])
def test_the_first_and_the_last_instant_are_places_in_a_list(request, server, year):
    request.getfixturevalue(server)
    cursor = Cursor(datetime(year, 1, 1, tzinfo=UTC), uuid4()).encode()

    assert list_tasks(run(make_user()), cursor=cursor).json["items"] == []


@given(
    parameters=st.dictionaries(
        st.sampled_from(["after", "wait", "cursor", "limit", "status"]),
        st.text("0123456789-+.eE٣ax", max_size=20),
        max_size=2,
    ),
    headers=st.dictionaries(
        st.sampled_from(["If-None-Match", "Prefer", "Last-Event-ID"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126)),
        max_size=2,
    ),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
def test_no_place_that_a_client_names_is_an_error_of_the_server(owner, parameters, headers):
    task_id = run(make_task(owner)).id
    for answer in (
        list_tasks(owner, **parameters),
        get(owner, task_id, query=parameters, headers={"If-None-Match": '"1.2"', **headers}),
    ):
        assert answer.status < 500
        assert answer.status < 400 or answer.json["code"]
