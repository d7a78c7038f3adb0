"""`lampwork events`: the history of invocations in the terminal."""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import click

from lampwork.app.lock import running_origin
from lampwork.commands.options import config_of, project_options
from lampwork.config.encodings import decoded
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError, LampworkError, StartError
from lampwork.history.entries import OK, STATUSES
from lampwork.history.saving import as_event, as_pytest
from lampwork.history.store import ANY_FAILURE, MOST_LISTED, Store, Wanted, kept_history
from lampwork.history.trace_tree import spans_of
from lampwork.http.internal_paths import INVOCATIONS, TRACES
from lampwork.json_text import parsed

Command = Callable[..., None]
Shown = Mapping[str, Any]

PARTS: Final = {"event": "event.json", "pytest": "pytest"}
HEADINGS: Final = ("id", "time", "function", "trigger", "status", "ms", "")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NONE_KEPT: Final = "There is no history yet: `lampwork up` keeps one."


def filters(command: Command) -> Command:
    for option in (
        click.option(*("-n", "--name", "function"), metavar="NAME", help="Only of this function."),
        click.option("--status", type=click.Choice([*STATUSES, ANY_FAILURE])),
        click.option("--trigger", metavar="KIND", help="Only of this kind, such as http or sqs."),
        click.option("--search", metavar="TEXT", help="Only with this text in it."),
    ):
        command = option(command)
    return command


def chosen(command: Command) -> Command:
    for option in (
        click.argument("number", metavar="[ID]", type=click.IntRange(1), required=False),
        click.option("--last", is_flag=True, help="The newest one, of all that the filters leave."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    ):
        command = option(command)
    return filters(command)


@click.group(invoke_without_command=True)
@project_options
@filters
@click.option("--trace", help="Only of this trace.")
@click.option(
    "--limit", type=click.IntRange(1, MOST_LISTED), default=20, help="How many.", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
@click.pass_context
def events(
    context: click.Context,
    /,
    *,
    function: str | None,
    status: str | None,
    trigger: str | None,
    search: str | None,
    trace: str | None,
    limit: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Show what functions were invoked with, and send it once more.

    Without a further command, list the newest invocations. They are those of a running `lampwork
    up`, else what it has kept.
    """
    context.obj = config_of(given)
    if context.invoked_subcommand is None:
        wanted = Wanted(function, status, trigger, trace, search=search, limit=limit)
        with _history(context.obj) as history:
            found = history.newest(wanted)
        click.echo(_json(found) if as_json else _table(found))


@events.command()
@chosen
@click.pass_obj
def show(config: Config, /, number: int | None, last: bool, as_json: bool, **wanted: Any) -> None:
    """Print an invocation with its event, its answer, its log and its trace."""
    with _history(config) as history:
        entry = history.one(_number(history, number, last, wanted))
        trace = history.trace(entry["trace"]) if entry["trace"] else None
    if as_json:
        click.echo(_json({**entry, "spans": trace["spans"] if trace else []}))
    else:
        click.echo("\n".join(_described(entry, trace)))


@events.command()
@chosen
@click.option(
    *("-e", "--event"), type=click.File("rb"), help="The edited event, in JSON; - is the input."
)
@click.pass_obj
def replay(
    config: Config, /, number: int | None, last: bool, as_json: bool, event: Any, **wanted: Any
) -> None:
    """Send an event once more, to the present code in a running `lampwork up`.

    Ends with 1 if that fails too.
    """
    origin = running_origin(config.data)
    if origin is None:
        raise StartError("No Lampwork runs with this data folder. Start `lampwork up` first.")
    edited = None if event is None else _edited(event)
    with _history(config) as history:
        chosen = _number(history, number, last, wanted)
        entry = _asked(f"{origin}{INVOCATIONS}/{chosen}/replay", {"event": edited} if event else {})
    for path in entry["still_masked"]:
        click.echo(
            f"The secret at {path} is not known any more: it was sent masked. Edit the event to"
            " give it.",
            err=True,
        )
    click.echo(_json(entry) if as_json else "\n".join(_described(entry, None)))
    sys.exit(0 if entry["status"] == OK else 1)


@events.command()
@chosen
@click.option("--as", "kind", type=click.Choice([*PARTS]), default="event", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def save(
    config: Config,
    /,
    number: int | None,
    last: bool,
    as_json: bool,
    kind: str,
    output: Path | None,
    **wanted: Any,
) -> None:
    """Write an event as a file for `lampwork invoke -e`, or as a test."""
    with _history(config) as history:
        text = history.file(_number(history, number, last, wanted), kind)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {output}.", err=True)


class _History(Protocol):
    """Where the history is read. Its methods raise a LampworkError for what it does not have."""

    def newest(self, wanted: Wanted) -> list[Shown]: ...

    def one(self, number: int) -> Shown: ...

    def trace(self, trace: str) -> Shown: ...

    def file(self, number: int, kind: str) -> str: ...


class _Running(_History):
    """The history of the Lampwork at an origin."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def newest(self, wanted: Wanted) -> list[Shown]:
        query = {name: value for name, value in asdict(wanted).items() if value is not None}
        answer = _asked(f"{self._origin}{INVOCATIONS}?{urllib.parse.urlencode(query)}")
        return list(answer["invocations"])

    def one(self, number: int) -> Shown:
        return _asked(f"{self._origin}{INVOCATIONS}/{number}")

    def trace(self, trace: str) -> Shown:
        return _asked(f"{self._origin}{TRACES}/{urllib.parse.quote(trace, safe='')}")

    def file(self, number: int, kind: str) -> str:
        return _read(f"{self._origin}{INVOCATIONS}/{number}/{PARTS[kind]}")


class _Kept(_History):
    """The history that an earlier run has left."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, wanted: Wanted) -> list[Shown]:
        return [each.summary() for each in self._store.newest(wanted)]

    def one(self, number: int) -> Shown:
        entry: Shown = self._entry(number).whole()
        return entry

    def trace(self, trace: str) -> Shown:
        return {"trace": trace, **spans_of(trace, self._store.trace(trace))}

    def file(self, number: int, kind: str) -> str:
        entry = self._entry(number)
        text = as_event(entry) if kind == "event" else as_pytest(entry)
        if text is None:
            raise LampworkError("The event was too large to be kept.")
        return text

    def _entry(self, number: int) -> Any:
        entry = self._store.one(number)
        if entry is None:
            raise LampworkError(f"The history has no invocation {number} (any more).")
        return entry


@contextmanager
def _history(config: Config) -> Iterator[_History]:
    origin = running_origin(config.data)
    if origin is not None:
        yield _Running(origin)
        return
    with kept_history(config.data) as store:
        if store is None:
            raise ConfigurationError(NONE_KEPT)
        yield _Kept(store)


def _number(history: _History, number: int | None, last: bool, wanted: Mapping[str, Any]) -> int:
    if number is not None and not last:
        return number
    if number is not None or not last:
        raise ConfigurationError("Give either an id, as `lampwork events` lists it, or --last.")
    for found in history.newest(Wanted(**wanted)):
        if found["kind"] == "invocation":
            return int(found["id"])
    raise LampworkError("The history has no such invocation.")


def _edited(file: Any) -> Any:
    try:
        return parsed(decoded(file.read()))
    except ValueError as error:
        raise ConfigurationError(f"The edited event cannot be read: {error}.") from error


def _asked(url: str, body: Any = None) -> Shown:
    answer: Shown = json.loads(_read(url, None if body is None else json.dumps(body).encode()))
    return answer


def _read(url: str, body: bytes | None = None) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body)) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            raise LampworkError(f"{_message(error.read())}.") from error
    except urllib.error.URLError as error:
        raise StartError(f"{url} does not answer: {error.reason}.") from error


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return "It has no history"


def _table(found: list[Shown]) -> str:
    if not found:
        return "There are no such invocations."
    rows = [HEADINGS, *(_row(each) for each in reversed(found))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(entry: Shown) -> tuple[str, ...]:
    notes = [
        "cold" if entry["cold"] else "",
        f"replay of {entry['replay_of']}" if entry["replay_of"] else "",
        entry["error"] or "",
    ]
    return (
        str(entry["id"]),
        _time(entry["started"]),
        entry["function"],
        _trigger(entry),
        f"{entry['status']} {entry['http_status'] or ''}".rstrip(),
        f"{entry['duration_ms']:.1f}",
        without_controls(", ".join(filter(None, notes)).partition("\n")[0][:100]),
    )


def _described(entry: Shown, trace: Shown | None) -> Iterator[str]:
    yield "  ".join(filter(None, _row(entry)))
    yield f"request {entry['request_id'] or '-'}, trace {entry['trace'] or '-'}"
    if entry["memory_mb"] is not None:
        init = f", init {entry['init_ms']:.1f} ms" if entry["cold"] else ""
        yield f"{entry['memory_mb']} MB, waited {entry['wait_ms']:.1f} ms{init}"
    for name in ("event", "answer"):
        value = entry[name]
        if value is not None:
            yield f"\n{name}:\n{_json(value)}"
        elif entry[f"{name}_bytes"]:
            yield f"\n{name}: {entry[f'{name}_bytes']} bytes, which are not kept"
    if entry["log"]:
        yield f"\nlog:\n{without_controls(entry['log'].rstrip())}"
    if trace is not None and len(trace["spans"]) > 1:
        yield f"\ntrace, {trace['duration_ms']:.0f} ms:"
        for span in trace["spans"]:
            mark = ">" if span["id"] == entry["id"] else " "
            name = f"{'  ' * span['depth']}{span['function'] or 'message'}  {_trigger(span)}"
            took = f"+{span['offset_ms']:.0f} ms, {span['duration_ms']:.1f} ms"
            yield f"{mark} {span['id']:>5}  {name}  {span['status']}  {took}"


def _trigger(entry: Shown) -> str:
    return without_controls(f"{entry['trigger']['kind']} {entry['trigger']['name']}".rstrip())


def without_controls(text: str) -> str:
    """A text of others without what a terminal would obey."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _time(moment: str) -> str:
    local = datetime.fromisoformat(moment).astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().date() else "%m-%d %H:%M")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
