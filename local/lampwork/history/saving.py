"""An entry of the history as a file: its event alone, or a test that sends it once more."""

import json
import re
from pprint import pformat
from typing import Any, Final

from lampwork.history.entries import OK, Entry
from lampwork.timestamps import iso_milliseconds

TEST: Final = '''\
"""Sends {function} the event that it got at {moment}{outcome}."""

import json
import subprocess
import sys

{masks}EVENT = {event}


def test_{name}():
    run = subprocess.run(
        [sys.executable, "-m", "lampwork", "invoke", {target!r}, "-e", "-"],
        input=json.dumps(EVENT),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
'''
HTTP: Final = """\
    assert json.loads(run.stdout)["statusCode"] < 500, run.stdout
"""
MASKED: Final = "# Secrets are masked; write test values in their places: {}.\n"


def as_event(entry: Entry) -> str | None:
    """The event as the file that `lampwork invoke -e` takes; None if it was too large to keep."""
    if entry.event is None:
        return None
    return json.dumps(json.loads(entry.event), indent=2, ensure_ascii=False) + "\n"


def as_pytest(entry: Entry) -> str | None:
    """A module with a test of the function and this event, to be run in the project's folder; None
    if the event was too large to keep."""
    if entry.event is None:
        return None
    event: Any = json.loads(entry.event)
    outcome = "" if entry.status == OK else f", which ended as {entry.status}"
    text = TEST.format(
        function=entry.function,
        moment=iso_milliseconds(entry.started),
        outcome=outcome,
        masks=MASKED.format(", ".join(map(ascii, entry.masked))) if entry.masked else "",
        event=pformat(event, width=96, sort_dicts=False),
        name=_name(entry),
        target=entry.target,
    )
    return text + HTTP if entry.trigger == "http" and entry.http_status is not None else text


def _name(entry: Entry) -> str:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", f"{entry.function} {entry.trigger}")
    return "_".join(word.lower() for word in words) + "_event"
