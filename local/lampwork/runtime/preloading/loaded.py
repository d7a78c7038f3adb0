"""What a fork server has loaded, and for which functions that is right."""

import functools
import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lampwork.interpreters.python import Python
from lampwork.runtime.preloading.import_plan import Step
from lampwork.runtime.preloading.watch import WORKING_FOLDER

# Every process has values of its own for these.
PER_PROCESS = frozenset({"AWS_LAMBDA_LOG_STREAM_NAME", "TMPDIR", "_X_AMZN_TRACE_ID"})
# A library that happens to contain one of these names does not read it while it is loaded.
NOT_READ_BY_LIBRARIES = PER_PROCESS | {"PWD", "_HANDLER"}


@dataclass(frozen=True, slots=True)
class World:
    """What a function imports from packages, and the surroundings in which it does.

    It runs on `python` in the folder `root`. `own` are the names of what it brings itself (see
    `own_names`). Its requirements are in the folder `packages`. For the rest see `RuntimeSettings`.
    """

    steps: tuple[Step, ...]
    environment: Mapping[str, str]
    root: str
    python: Python
    own: frozenset[str] = frozenset()
    packages: str | None = None
    lambda_paths: bool = False
    multiprocessing: bool = False

    def value(self, name: str) -> str | None:
        """What an import sees if it reads this variable, or its working folder."""
        return self.root if name == WORKING_FOLDER else self.environment.get(name)


@dataclass(slots=True)
class Loaded:
    """The imports that were done, and what they depended on.

    `steps` has the names of the modules and distributions that each looked for, found or not. The
    `idle` ones did nothing more. `reads` has the variables that were read, with their values.
    `libraries` are the compiled files.
    """

    environment: Mapping[str, str]
    steps: dict[Step, frozenset[str]] = field(default_factory=dict)
    idle: set[Step] = field(default_factory=set)
    reads: dict[str, str | None] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)

    def has(self, step: Step) -> bool:
        """Whether this import has been done, or would do nothing."""
        return step in self.steps or step in self.idle

    def is_right_for(self, world: World) -> bool:
        """Whether the same would be loaded in that world, as far as it was done here.

        May read whole libraries the first time.
        """
        if not self.steps.keys() <= set(world.steps):
            return False
        if any(looked_up & world.own for looked_up in self.steps.values()):
            return False
        if any(world.value(name) != value for name, value in self.reads.items()):
            return False
        names = differing([self.environment, world.environment]) - NOT_READ_BY_LIBRARIES
        return not any(_mentions(library, name) for library in self.libraries for name in names)

    def add(self, done: Iterable[Step], report: Mapping[str, Any], world: World) -> None:
        """Count in further imports, by the report of what they did in this world."""
        looked_up = map(frozenset[str], report["looked_up"])
        self.steps.update(zip(done, looked_up, strict=True))
        self.reads.update({name: world.value(name) for name in report["reads"]})
        self.libraries.update(report["libraries"])

    def copy(self, environment: Mapping[str, str]) -> "Loaded":
        return Loaded(
            environment,
            dict(self.steps),
            set(self.idle),
            dict(self.reads),
            set(self.libraries),
        )


def differing(environments: Iterable[Mapping[str, str]]) -> set[str]:
    """The variables that do not have the same value in all of these environments."""
    all_of_them = list(environments)
    names = set[str]().union(*all_of_them)
    return {name for name in names if len({each.get(name) for each in all_of_them}) > 1}


@functools.cache
def _mentions(library: str, name: str) -> bool:
    """Whether a compiled file contains this name, as it must in order to read the variable."""
    try:
        with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            return data.find(name.encode()) >= 0
    except (OSError, ValueError):  # it has been removed, or is empty
        return True
