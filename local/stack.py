"""The Compose stack as the commands of the Makefile find it."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = ROOT / ".env.docker"
COMPOSE_SECONDS = 120


class StackError(Exception):
    """Compose could not do what it was asked for; the text is what it said."""


@dataclass(frozen=True)
class Stack:
    """One project of Compose. The shell's variables win over the file's, as they do for Compose."""

    env_file: Path = ENV_FILE
    command: tuple[str, ...] = field(
        default_factory=lambda: tuple(shlex.split(os.environ.get("COMPOSE", "docker compose")))
    )

    @property
    def settings(self) -> Mapping[str, str]:
        stored = {name: value or "" for name, value in dotenv_values(self.env_file).items()}
        return {**stored, **os.environ}

    @property
    def origin(self) -> str:
        return self.settings["PUBLIC_URL"].rstrip("/")

    def run(self, service: str, *command: str) -> str:
        """What a command prints that is run in the container of a service."""
        return self.compose("exec", "-T", service, *command).strip()

    def compose(self, *arguments: str) -> str:
        """
        Raises:
            StackError: Compose failed.
        """
        found = subprocess.run(
            [
                *self.command,
                *("--env-file", str(self.env_file), "-f", str(ROOT / "local" / "compose.yml")),
                *arguments,
            ],
            env={"COMPOSE_PROJECT_NAME": "lampwork", **os.environ},
            capture_output=True,
            text=True,
            timeout=COMPOSE_SECONDS,
            check=False,
        )
        if found.returncode:
            raise StackError((found.stderr or found.stdout).strip())
        return found.stdout

    def stand_ins(self) -> list[str]:
        """The images that only stand in for others, as their label says."""
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
