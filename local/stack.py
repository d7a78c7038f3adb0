"""The Compose stack as the Makefile's commands use it."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import IO

from dotenv import dotenv_values

from local import stack_settings

ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = ROOT / ".env.docker"
COMPOSE_SECONDS = 120


class StackError(Exception):
    """A Compose command failed; the text is its output."""


@dataclass(frozen=True)
class Stack:
    """One project of Compose. The shell's variables win over the file's, as they do for Compose."""

    # A team's own file may leave out what .env.docker has.
    env_file: Path = ENV_FILE
    command: tuple[str, ...] = field(
        default_factory=lambda: tuple(shlex.split(os.environ.get("COMPOSE", "docker compose")))
    )

    @property
    def files(self) -> list[str]:
        """Those of `make up`, and of its variables STORAGE, SERVER and DEV."""
        added = [name for name in ("server", "dev") if os.environ.get(name.upper())]
        storage = os.environ.get("STORAGE")
        added = [*([storage] if storage else []), *added]
        return ["compose.yml", *(f"compose.{name}.yml" for name in added)]

    @property
    def settings(self) -> Mapping[str, str]:
        whole = StringIO(stack_settings.completed(self._text()))
        stored = {name: value or "" for name, value in dotenv_values(stream=whole).items()}
        return {**stored, **os.environ}

    @property
    def origin(self) -> str:
        return self.settings["PUBLIC_URL"].rstrip("/")

    def run(self, service: str, *command: str) -> str:
        """Run a command in the container of a service. Returns what it prints."""
        return self.compose("exec", "-T", service, *command).strip()

    def _text(self) -> str:
        return self.env_file.read_text(encoding="utf-8")

    def compose(self, *arguments: str) -> str:
        """
        Raises:
            StackError: Compose failed.
        """
        found = subprocess.run(
            self._command(arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMPOSE_SECONDS,
            check=False,
        )
        if found.returncode:
            raise StackError((found.stderr or found.stdout).strip())
        return found.stdout

    def stream(
        self, *arguments: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
    ) -> None:
        """Like `compose`, but with bytes from and to files, for as long as it takes.

        Raises:
            StackError: Compose failed.
        """
        found = subprocess.run(
            self._command(arguments),
            env=self._environment,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if found.returncode:
            raise StackError(found.stderr.decode(errors="replace").strip())

    def _command(self, arguments: Sequence[str]) -> list[str]:
        whole = stack_settings.write(self._text())
        files = [part for file in self.files for part in ("-f", str(ROOT / "local" / file))]
        return [*self.command, "--env-file", str(whole), *files, *arguments]

    @property
    def _environment(self) -> Mapping[str, str]:
        return {"COMPOSE_PROJECT_NAME": "lampwork", **os.environ}

    def stand_ins(self) -> list[str]:
        """The images that are only stand-ins for others, according to their label."""
        listed = subprocess.run(
            [
                *("docker", "ps", "--filter", "label=standin=1", "--format", "{{.Image}}"),
                *("--filter", f"label=com.docker.compose.project={self.project}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(set(listed.stdout.split()))

    @property
    def project(self) -> str:
        return self.settings.get("COMPOSE_PROJECT_NAME", "lampwork")
