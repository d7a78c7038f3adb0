import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.state_machines.errors import StatesError, no_execution, no_machine
from lampwork.cloud.state_machines.records import (
    Alias,
    Execution,
    Machine,
    Version,
)

MACHINES: Final = "states/machine/"
EXECUTIONS: Final = "states/execution/"
ACTIVITIES: Final = "states/activity/"
MOST_EXECUTIONS: Final = 1000
LOST: Final = "Lampwork.Ended"
LOST_CAUSE: Final = "Lampwork ended while this execution ran. Start it again."


class Store:
    """The state machines and their executions, kept in a file at each change.

    An execution that ran when the process before this one ended cannot go on: it is ABORTED.
    Of executions that are over, the newest `MOST_EXECUTIONS` are kept.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._lock = threading.RLock()
        self.machines = {arn: _machine(value) for arn, value in _read(file, MACHINES)}
        self.executions = {arn: Execution(**value) for arn, value in _read(file, EXECUTIONS)}
        self.activities: dict[str, float] = dict(_read(file, ACTIVITIES))

    def abort_lost(self) -> list[Execution]:
        """Abort the executions that ran when the last process ended, and return them."""
        lost = [each for each in self.executions.values() if each.is_running]
        for execution in lost:
            execution.status, execution.stopped = "ABORTED", time.time()
            execution.error, execution.cause = LOST, LOST_CAUSE
            self.keep_execution(execution)
        return lost

    def machine(self, arn: str) -> Machine:
        """
        Raises:
            StatesError: there is none.
        """
        try:
            return self.machines[arn]
        except KeyError:
            raise no_machine(arn) from None

    def execution(self, arn: str) -> Execution:
        """
        Raises:
            StatesError: there is none.
        """
        try:
            return self.executions[arn]
        except KeyError:
            raise no_execution(arn) from None

    def resolve(self, arn: str) -> tuple[Machine, Version | None, str, str]:
        """What an ARN of a state machine, a version or an alias leads to: the state machine, the
        version, and the ARNs of the version and of the alias ("" if it names none).

        Raises:
            StatesError: there is none.
        """
        base, _, qualifier = arn.rpartition(":")
        machine = self.machines.get(arn)
        if machine is not None:
            return machine, None, "", ""
        machine = self.machines.get(base)
        if machine is None:
            raise no_machine(arn)
        if version := machine.versions.get(qualifier):
            return machine, version, arn, ""
        alias = machine.aliases.get(qualifier)
        if alias is None:
            raise no_machine(arn)
        # An alias may share its traffic between two versions; here the heavier one gets it all.
        heaviest = max(alias.routes, key=_weight)["stateMachineVersionArn"]
        version = machine.versions.get(heaviest.rpartition(":")[2])
        if version is None:
            raise no_machine(heaviest)
        return machine, version, heaviest, arn

    def executions_of(self, machine_arn: str) -> Iterator[Execution]:
        """Those of a state machine, the newest first."""
        with self._lock:
            of_it = [e for e in self.executions.values() if e.machine_arn == machine_arn]
        return iter(sorted(of_it, key=lambda each: each.started, reverse=True))

    def keep_machine(self, machine: Machine) -> None:
        self.machines[machine.arn] = machine
        self._write(MACHINES, machine.arn, asdict(machine))

    def delete_machine(self, arn: str) -> None:
        self.machines.pop(arn, None)
        self._file.write({MACHINES + arn: None})

    def keep_execution(self, execution: Execution) -> None:
        with self._lock:
            self.executions[execution.arn] = execution
            self._write(EXECUTIONS, execution.arn, asdict(execution))
            self._forget_old()

    def keep_activity(self, arn: str) -> float:
        """Returns when it was created."""
        created = self.activities.setdefault(arn, time.time())
        self._write(ACTIVITIES, arn, created)
        return created

    def delete_activity(self, arn: str) -> None:
        self.activities.pop(arn, None)
        self._file.write({ACTIVITIES + arn: None})

    def tagged(self, arn: str) -> Machine:
        """
        Raises:
            StatesError: there is no state machine with this ARN.
        """
        if arn not in self.machines:
            raise StatesError("ResourceNotFound", f"Resource not found: '{arn}'")
        return self.machines[arn]

    def _forget_old(self) -> None:
        over = [each for each in self.executions.values() if not each.is_running]
        for execution in over[: max(0, len(over) - MOST_EXECUTIONS)]:
            del self.executions[execution.arn]
            self._file.write({EXECUTIONS + execution.arn: None})

    def _write(self, prefix: str, arn: str, value: object) -> None:
        self._file.write({prefix + arn: json.dumps(value).encode()})


def _weight(route: Mapping[str, Any]) -> int:
    return int(route.get("weight", 0))


def _read(file: StateFile, prefix: str) -> Iterable[tuple[str, Any]]:
    return [(arn, json.loads(value)) for arn, value in file.read(prefix)]


def _machine(kept: Mapping[str, Any]) -> Machine:
    versions = {name: Version(**each) for name, each in kept["versions"].items()}
    aliases = {name: Alias(**each) for name, each in kept["aliases"].items()}
    return Machine(**{**kept, "versions": versions, "aliases": aliases})
