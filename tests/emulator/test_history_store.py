"""What the file of the history keeps and forgets."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from lampwork.commands.events import without_controls
from lampwork.config.project_config import HistorySettings
from lampwork.history.entries import Entry
from lampwork.history.history import History
from lampwork.history.masking import MASK, masks_in, unmasked
from lampwork.history.saving import as_pytest
from lampwork.history.store import FILE, HistoryUnavailable, Store, Wanted, kept_history
from lampwork.history.trace_tree import spans_of
from lampwork.invocation.port import Invocation
from lampwork.runtime.execution.environment import Request
from lampwork.stack.model import Function


def entry(number: int, **about: Any) -> Entry:
    given = {"function": "F", "status": "ok", "started": float(number), **about}
    return Entry(id=number, **given)


def store(folder: Path, *, most: int = 100, most_bytes: int = 10**9) -> Store:
    return Store(folder, most=most, most_bytes=most_bytes)


def numbers(store: Store, **wanted: Any) -> list[int]:
    return [each.id for each in store.newest(Wanted(**{"limit": 200, **wanted}))]


def test_the_newest_entries_are_kept_as_far_as_number_and_bytes_allow(tmp_path: Path) -> None:
    few = store(tmp_path / "few", most=3)
    few.write(entry(number) for number in range(1, 8))
    small = store(tmp_path / "small", most_bytes=25_000)
    for number in range(1, 8):
        small.write([entry(number, event="x" * 10_000)])

    assert numbers(few) == [7, 6, 5]
    assert numbers(small) == [7, 6]
    few.close()
    small.close()


def test_one_entry_that_is_too_large_leaves_none(tmp_path: Path) -> None:
    kept = store(tmp_path, most_bytes=1000)
    kept.write([entry(1, event="x" * 10_000)])
    kept.write([entry(2)])

    assert numbers(kept) == [2]
    kept.close()


def test_entries_are_there_after_a_restart_and_their_bytes_are_counted(tmp_path: Path) -> None:
    first = store(tmp_path)
    whole = entry(7, links={"1-a": "b"}, stack=("one", "two"), masked=("a.b",), event="{}")
    first.write([whole])
    first.close()

    with kept_history(tmp_path) as second:
        assert second is not None
        assert second.one(7) == whole
        assert second.last == 7


def test_a_file_that_is_no_history_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, " * 100)

    kept = store(tmp_path)
    kept.write([entry(1)])

    assert numbers(kept) == [1]
    kept.close()


def test_a_folder_without_history_gets_none_by_being_read(tmp_path: Path) -> None:
    with kept_history(tmp_path) as kept:
        assert kept is None
    assert list(tmp_path.iterdir()) == []


def test_a_batch_is_in_the_traces_of_all_its_messages(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.write(
        [
            entry(1, trace="1-a", span="s1"),
            entry(2, trace="1-b", span="s2"),
            entry(3, trace="1-a", span="s3", parent="s1", links={"1-b": "s2"}),
        ]
    )

    for trace, parent in (("1-a", 1), ("1-b", 2)):
        spans = spans_of(trace, kept.trace(trace))["spans"]
        assert [(each["id"], each["caused_by"]) for each in spans] == [(parent, None), (3, parent)]
    assert kept.trace("1-%") == []
    kept.close()


def test_spans_that_cause_each_other_are_all_shown(tmp_path: Path) -> None:
    entries = [
        entry(1, trace="t", span="a", parent="b"),
        entry(2, trace="t", span="b", parent="a"),
        entry(3, trace="t", span="c", parent="c"),
    ]

    assert sorted(each["id"] for each in spans_of("t", entries)["spans"]) == [1, 2, 3]


def invoked(history: History, payload: bytes) -> None:
    loop = asyncio.get_running_loop()
    request = Request(payload, None, "id", loop.time(), loop.create_future())
    history.ended(
        Function("F", "f", "app.f", Path()), request, Invocation("id", b"{}", None, b"", 1.0)
    )


async def test_whoever_reads_gets_all_that_was_noted_up_to_the_limit(tmp_path: Path) -> None:
    history = History(tmp_path, HistorySettings(invocations=20))
    for number in range(100):
        invoked(history, b'{"n": %d}' % number)

    found = await history.newest(Wanted(limit=200))

    assert [each.id for each in found] == list(range(100, 80, -1))
    await history.stop()


async def test_what_nobody_reads_is_written_all_the_same(tmp_path: Path) -> None:
    history = History(tmp_path, HistorySettings())
    invoked(history, b"{}")
    reader = store(tmp_path)
    limit = time.monotonic() + 30

    while not numbers(reader):
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)

    reader.close()
    await history.stop()


async def test_the_next_run_goes_on_counting(tmp_path: Path) -> None:
    for last in (1, 2, 3):
        history = History(tmp_path, HistorySettings())
        invoked(history, b"not json")
        assert history.last == last
        await history.stop()


async def test_events_that_no_file_and_no_parser_takes_do_no_harm(tmp_path: Path) -> None:
    history = History(tmp_path, HistorySettings())
    deep = b"[" * 900 + b"]" * 900
    for payload in (b'{"a": "\\ud800"}', deep, b"\xff\xfe", b'{"Records": [1]}', b'{"a": NaN}'):
        invoked(history, payload)

    found = await history.newest(Wanted())
    assert [each.id for each in found] == [5, 4, 3, 2, 1]
    (first,) = [each for each in [await history.one(1)] if each]
    assert first.whole()["event"] == {"a": "\ud800"}
    await history.stop()


async def test_functions_run_on_where_the_history_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(tmp_path, HistorySettings())
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("DROP TABLE entries")
    other.close()
    invoked(history, b"{}")

    with pytest.raises(HistoryUnavailable, match="no such table"):
        await history.newest(Wanted())

    assert "the history cannot be written" in caplog.text
    await history.stop()


def test_a_saved_test_runs_no_code_that_an_event_brings() -> None:
    name = "password\nraise SystemExit('run') #"
    event = {name: MASK, "text": '"""\nraise SystemExit("run")'}
    saved = as_pytest(entry(1, event=json.dumps(event), masked=(name,), target="F"))

    module: dict[str, Any] = {}
    exec(saved or "", module)

    assert module["EVENT"] == event


def test_a_terminal_does_not_obey_what_a_client_sent() -> None:
    assert without_controls("GET /\x1b]0;x\x07\x9b2J\tok") == "GET /\ufffd]0;x\ufffd\ufffd2J\tok"


def test_an_event_nested_deeply_is_edited_without_harm() -> None:
    value: Any = {"password": "x"}
    for _ in range(300):
        value = [value]

    assert masks_in(unmasked(value, [1])) == []
