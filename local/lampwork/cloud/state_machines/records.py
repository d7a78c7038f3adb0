"""What is known of state machines, their versions and aliases, and their executions."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

STANDARD: Final = "STANDARD"
EXPRESS: Final = "EXPRESS"
RUNNING: Final = "RUNNING"
# The tag with which CloudFormation names the resource that a state machine comes from.
LOGICAL_ID: Final = "aws:cloudformation:logical-id"


@dataclass(slots=True)
class Version:
    """A published state of a state machine."""

    definition: str
    role_arn: str
    revision: str
    created: float = field(default_factory=time.time)
    description: str = ""


@dataclass(slots=True)
class Alias:
    routes: list[dict[str, Any]]
    description: str = ""
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)


@dataclass(slots=True)
class Machine:
    """A state machine. Times are seconds since 1970."""

    arn: str
    name: str
    definition: str
    role_arn: str
    type: str = STANDARD
    created: float = field(default_factory=time.time)
    updated: float = 0
    revision: str = ""
    logging: dict[str, Any] = field(default_factory=dict)
    tracing: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    last_version: int = 0

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def title(self) -> str:
        """What the user calls it: its name in the template, if it comes from there."""
        return self.tags.get(LOGICAL_ID, self.name)

    def publish(self, description: str = "") -> str:
        """Publish a version of what it is now. Returns the version's ARN.

        Nothing new is published as long as nothing has changed.
        """
        newest = self.versions.get(str(self.last_version))
        if newest is None or newest.revision != self.revision:
            self.last_version += 1
            version = Version(self.definition, self.role_arn, self.revision)
            version.description = description
            self.versions[str(self.last_version)] = version
        return f"{self.arn}:{self.last_version}"

    def change(self, definition: str | None, role_arn: str | None) -> None:
        self.definition = definition or self.definition
        self.role_arn = role_arn or self.role_arn
        self.revision = str(uuid.uuid4())
        self.updated = time.time()


@dataclass(slots=True)
class Execution:
    """An execution. `input` and `output` are JSON. Times are seconds since 1970."""

    arn: str
    name: str
    machine_arn: str
    definition: str
    role_arn: str
    input: str
    version_arn: str = ""
    alias_arn: str = ""
    trace_header: str = ""
    status: str = RUNNING
    started: float = field(default_factory=time.time)
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING
