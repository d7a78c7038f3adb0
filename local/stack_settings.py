"""Completes a team's env file for Compose: `python -m local.stack_settings .env.mine`.

What the file leaves out comes from .env.docker. Names that other stacks use are taken where they
have a meaning here. The whole is written to `.lampwork/stack.env`, and that path is printed. With
`--warn`, what was mapped, has no meaning or is unsafe is said on stderr.

`make up` runs it before anything is installed, so it needs nothing but Python.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = ROOT / ".env.docker"
IMAGES = ROOT / "local" / "images.lock"  # what `make image-lock` writes
COMPLETED = ROOT / ".lampwork" / "stack.env"
SETTING = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)")
SAFE = re.compile(r"[\w-]*", re.ASCII)  # within a URL
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Mapped:
    """A name of another stack: the settings here that its value gives, and what to say of it."""

    says: str
    gives: Callable[[str], Settings] = lambda value: {}


def _same(name: str) -> Mapped:
    return Mapped(f"is {name} here", lambda value: {name: value})


def _broker(url: str) -> Settings:
    try:
        parts = urlsplit(url)
    except ValueError:
        return {}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme not in ("amqp", "pyamqp") or not (SAFE.fullmatch(user + password)):
        return {}
    return {"RABBITMQ_USER": user, "RABBITMQ_PASSWORD": password} if user and password else {}


FOREIGN: Mapping[str, Mapped] = {
    "MINIO_ROOT_USER": _same("STORAGE_USER"),
    "MINIO_ROOT_PASSWORD": _same("STORAGE_PASSWORD"),
    "MINIO_ACCESS_KEY": _same("STORAGE_USER"),
    "MINIO_SECRET_KEY": _same("STORAGE_PASSWORD"),
    "MINIO_REGION": Mapped("has no meaning: everything in the stack signs for us-east-1"),
    "MINIO_ENDPOINT": Mapped("has no meaning: the stack's storage is http://minio:9000"),
    "CELERY_BROKER_URL": Mapped(
        "gives RABBITMQ_USER and RABBITMQ_PASSWORD if it is amqp://user:password@… "
        "in letters, digits, - and _; the broker is the stack's RabbitMQ",
        _broker,
    ),
    "CELERY_RESULT_BACKEND": Mapped("has no meaning: results are in PostgreSQL"),
    "CELERY_TASK_TIME_LIMIT": _same("TASK_RUN_TIMEOUT_SECONDS"),
    "CELERY_TASK_MAX_RETRIES": _same("TASK_MAX_ATTEMPTS"),
    "CELERYD_CONCURRENCY": _same("GENERATE_CONCURRENCY"),
    "CELERY_WORKER_CONCURRENCY": _same("GENERATE_CONCURRENCY"),
    "BACKEND_UVICORN_WORKERS": Mapped(
        "has no meaning: the backend starts as many processes as its processors and memory carry"
    ),
    "SENTRY_RELAY_PORT": Mapped("has no meaning: Relay has no port on the host"),
}


def read(text: str) -> dict[str, str]:
    """The names that a file sets, with their values without quotes."""
    found = filter(None, map(SETTING.fullmatch, text.splitlines()))
    return {match[1]: match[2].strip().strip("\"'") for match in found}


def mapped(given: Settings) -> dict[str, str]:
    """What names of other stacks give; a name of this stack that is given too wins."""
    gives: dict[str, str] = {}
    for name in FOREIGN.keys() & given.keys():
        if given[name]:
            gives |= FOREIGN[name].gives(given[name])
    return {name: value for name, value in gives.items() if name not in given}


def addressed(settings: Settings) -> dict[str, str]:
    """What follows from PUBLIC_URL, the one address that people use: the port on the host and the
    name that nginx answers to. Where it is an https:// address, something in front of the stack
    has that port."""
    try:
        url = urlsplit(settings.get("PUBLIC_URL", ""))
        host, port = url.hostname or "", url.port
    except ValueError:
        return {}
    follows: dict[str, str] = {}
    if url.scheme == "http" and "LAMPWORK_PORT" not in settings:
        follows["LAMPWORK_PORT"] = str(port or 80)
    names = settings.get("NGINX_SERVER_NAMES", "").split()
    if host and host not in {*LOOPBACK, *names}:
        follows["NGINX_SERVER_NAMES"] = " ".join([*names, host])
    return follows


def completed(text: str, environment: Settings = os.environ, images: Path = IMAGES) -> str:
    """The text of a whole env file: the given lines, the defaults and the pinned images of names
    that they lack, and what follows from all. The shell's variables win over the file's, as Compose
    has it."""
    defaults = DEFAULTS.read_text(encoding="utf-8")
    given = read(text)
    added = mapped(given)
    lacking = [
        line
        for line in defaults.splitlines()
        if (match := SETTING.fullmatch(line)) and match[1] not in given.keys() | added.keys()
    ]
    pinned = read(images.read_text(encoding="utf-8")) if images.exists() else {}
    pinned = {name: image for name, image in pinned.items() if name not in given}
    follows = addressed({**read(defaults), **added, **given, **environment})
    return "\n".join([*lacking, *_lines(pinned), *_lines(added), text, *_lines(follows)])


def _lines(settings: Settings) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


def warnings(given: Settings, defaults: Settings) -> Iterator[str]:
    for name in sorted(FOREIGN.keys() & given.keys()):
        yield f"{name} {FOREIGN[name].says}."
    whole = {**defaults, **mapped(given), **given}
    url, port = whole["PUBLIC_URL"], whole.get("LAMPWORK_PORT")
    if port and addressed({"PUBLIC_URL": url}).get("LAMPWORK_PORT", port) != port:
        yield f"people are sent to {url}, but the port is {port}: change PUBLIC_URL alone."
    if whole.get("LAMPWORK_BIND", "127.0.0.1") not in LOOPBACK:
        for name in secrets(defaults):
            if whole[name] == defaults[name]:
                yield f"{name} is the one of .env.docker, and the stack is open to the network."


def secrets(settings: Settings) -> list[str]:
    return [name for name in settings if name.endswith(("_PASSWORD", "_SECRET"))]


def write(text: str) -> Path:
    """Write the whole env file that this text is a part of."""
    COMPLETED.parent.mkdir(exist_ok=True)
    # It holds passwords, so nobody else may ever read it. Two commands may write it at once.
    whole = COMPLETED.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(completed(text))
    whole.replace(COMPLETED)
    return COMPLETED


def main() -> int:
    parser = argparse.ArgumentParser(description="Complete an env file for Compose.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--warn", action="store_true")
    options = parser.parse_args()
    try:
        text = options.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{options.file} cannot be read: {error}\n")
        return 1
    if options.warn:
        for warning in warnings(read(text), read(DEFAULTS.read_text(encoding="utf-8"))):
            sys.stderr.write(f"{options.file}: {warning}\n")
    sys.stdout.write(f"{write(text)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
