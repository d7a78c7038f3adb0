"""A sample project on disk and `lampwork` as a process, for tests of the whole emulator."""

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lampwork.companions.pidfile import identity

TIMEOUT_SECONDS = 90  # far longer than needed, since the machine may be busy

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 5, CodeUri: .}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: hello.handler
      Environment: {Variables: {COLOUR: template}}
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /hello}}
  Fail:
    Type: AWS::Serverless::Function
    Properties: {Handler: hello.fail}
  Pictures:
    Type: AWS::S3::Bucket
    Properties: {BucketName: pictures}
"""

HELLO = """\
import json, os

def handler(event, context):
    return {"greeting": "hello", "colour": os.environ["COLOUR"], "event": event.get("name")}

def fail(event, context):
    raise ValueError("on purpose")
"""

CONFIG = """\
[tool.lampwork]
port = 0
services = ["redis"]
"""


@dataclass
class LampworkProcess:
    """`lampwork …` in a project's folder. `output` has all it has printed so far."""

    process: "subprocess.Popen[str]"
    output: list[str] = field(default_factory=list)
    _new: "queue.Queue[str | None]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def until(self, text: str, times: int = 1) -> str:
        """Wait until this text has appeared that many times from now on; return the last such
        line."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            line = self._new.get(timeout=TIMEOUT_SECONDS)
            assert line is not None, f"no {text!r} in:\n{''.join(self.output)}"
            if text in line and (times := times - 1) == 0:
                return line
        raise AssertionError(f"no {text!r} in:\n{''.join(self.output)}")

    def origin(self) -> str:
        """The origin at which it answers, once it does."""
        return self.until("Lampwork is up: ").split("up: ")[1].split()[0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_SECONDS)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output.append(line)
            self._new.put(line)
        self._new.put(None)


@dataclass(frozen=True)
class SampleProject:
    root: Path
    program: tuple[str, ...] = ("-m", "lampwork")
    started: list[LampworkProcess] = field(default_factory=list)

    @classmethod
    def create(cls, root: Path, **more: Any) -> "SampleProject":
        (root / "template.yaml").write_text(TEMPLATE)
        (root / "hello.py").write_text(HELLO)
        (root / "pyproject.toml").write_text(CONFIG)
        return cls(root, **more)

    def configure(self, toml: str) -> None:
        (self.root / "pyproject.toml").write_text(CONFIG + toml)

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        file = self.root / name
        file.write_text(change(file.read_text()))

    def up(self, *options: str, before: str = "") -> LampworkProcess:
        """Start it; `before` is what a shell does first in the same process."""
        return self.start("up", *options, before=before)

    def start(self, *arguments: str, before: str = "") -> LampworkProcess:
        command = shlex.join([sys.executable, *self.program, *arguments])
        process = subprocess.Popen(
            ["sh", "-c", f"{before}\nexec {command}"],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
        )
        self.started.append(LampworkProcess(process))
        return self.started[-1]

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *self.program, *arguments],
            cwd=self.root,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            env=_environment(),
        )

    def left_in_data(self) -> set[str]:
        """The locks and pid files in its data, none of which may remain once it has ended."""
        data = self.root / ".lampwork"
        present = {name for name in ("lock", "up.json") if (data / name).exists()}
        return present | {file.name for file in (data / "run").glob("*")}

    def close(self) -> None:
        for lampwork in self.started:
            if lampwork.process.poll() is None:
                lampwork.stop()
            assert lampwork.process.stdout
            lampwork.process.stdout.close()


def family(pid: int) -> dict[int, str]:
    """A process's descendants, each with its identity."""
    parents = {child: _parent(child) for child in _pids()}
    found, new = set[int](), {pid}
    while new := {child for child, parent in parents.items() if parent in new} - found:
        found |= new
    return {child: identity(child) for child in found}


def until_gone(processes: dict[int, str]) -> None:
    """Wait for processes to end; raises AssertionError if one does not."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while left := [pid for pid, was in processes.items() if was and identity(pid) == was]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
