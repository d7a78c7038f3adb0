"""The operations of Step Functions' API, each as a function of its request.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lampwork.cloud.state_machines.errors import (
    StatesError,
    invalid_arn,
    no_execution,
    wrong_type,
)
from lampwork.cloud.state_machines.executions import Executions
from lampwork.cloud.state_machines.records import EXPRESS, STANDARD, Alias, Execution, Machine
from lampwork.cloud.state_machines.store import Store
from lampwork.stack.model import ACCOUNT_ID

Request = Mapping[str, Any]
Answer = dict[str, Any]

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\s<>{}\[\]?*\"#%\\^|~`$&,;:/]{1,80}")
NO_LOGGING: Final = {"level": "OFF", "includeExecutionData": False}
NO_TRACING: Final = {"enabled": False}
DEFAULT_PAGE: Final = 100
REDRIVABLE: Final = ("FAILED", "TIMED_OUT", "ABORTED")


class Operations:
    """Answers requests of clients."""

    def __init__(
        self, store: Store, executions: Executions, check: Callable[[str, str], None]
    ) -> None:
        """`check` raises an InvalidDefinition for a definition that cannot run in a state machine
        of a type."""
        self._store = store
        self._executions = executions
        self._check = check

    # --- State machines --------------------------------------------------------------------------

    def create_state_machine(self, asked: Request, region: str) -> Answer:
        name = _checked_name(asked["name"])
        arn = f"arn:aws:states:{region}:{ACCOUNT_ID}:stateMachine:{name}"
        kind = asked.get("type") or STANDARD
        self._check(asked["definition"], kind)
        machine = self._store.machines.get(arn)
        if machine is None:
            machine = Machine(arn, name, asked["definition"], asked["roleArn"], kind)
            machine.logging = asked.get("loggingConfiguration") or dict(NO_LOGGING)
            machine.tracing = asked.get("tracingConfiguration") or dict(NO_TRACING)
            machine.tags = _tags(asked)
        elif (machine.definition, machine.role_arn, machine.type) != (
            asked["definition"],
            asked["roleArn"],
            kind,
        ):
            message = f"State Machine Already Exists: '{arn}'"
            raise StatesError("StateMachineAlreadyExists", message)
        answer: Answer = {"stateMachineArn": arn, "creationDate": machine.created}
        if asked.get("publish"):
            answer["stateMachineVersionArn"] = machine.publish(asked.get("versionDescription", ""))
        self._store.keep_machine(machine)
        return answer

    def update_state_machine(self, asked: Request, region: str) -> Answer:
        machine = self._store.machine(_machine_arn(asked["stateMachineArn"]))
        logging, tracing = asked.get("loggingConfiguration"), asked.get("tracingConfiguration")
        definition, role = asked.get("definition"), asked.get("roleArn")
        if not (definition or role or logging or tracing or asked.get("encryptionConfiguration")):
            raise StatesError(
                "MissingRequiredParameter",
                "Either the definition, the role ARN, the LoggingConfiguration, the"
                " EncryptionConfiguration or the TracingConfiguration must be specified",
            )
        if definition:
            self._check(definition, machine.type)
        machine.logging, machine.tracing = logging or machine.logging, tracing or machine.tracing
        machine.change(definition, role)
        answer: Answer = {"updateDate": machine.updated, "revisionId": machine.revision}
        if asked.get("publish"):
            answer["stateMachineVersionArn"] = machine.publish(asked.get("versionDescription", ""))
        self._store.keep_machine(machine)
        return answer

    def describe_state_machine(self, asked: Request, region: str) -> Answer:
        arn = _machine_arn(asked["stateMachineArn"])
        machine, version, version_arn, _ = self._store.resolve(arn)
        source = version or machine
        answer = {
            "stateMachineArn": version_arn or machine.arn,
            "name": machine.name,
            "status": "ACTIVE",
            "definition": source.definition,
            "roleArn": source.role_arn,
            "type": machine.type,
            "creationDate": source.created,
            "loggingConfiguration": machine.logging,
            "tracingConfiguration": machine.tracing,
        }
        if source.revision:
            answer["revisionId"] = source.revision
        return answer

    def delete_state_machine(self, asked: Request, region: str) -> Answer:
        self._store.delete_machine(_machine_arn(asked["stateMachineArn"]))
        return {}

    def list_state_machines(self, asked: Request, region: str) -> Answer:
        here = [each for each in self._store.machines.values() if each.region == region]
        found = [
            {
                "stateMachineArn": each.arn,
                "name": each.name,
                "type": each.type,
                "creationDate": each.created,
            }
            for each in sorted(here, key=lambda machine: machine.name)
        ]
        return _page("stateMachines", found, asked)

    def validate_state_machine_definition(self, asked: Request, region: str) -> Answer:
        try:
            self._check(asked["definition"], asked.get("type") or STANDARD)
        except StatesError as error:
            problem = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED"}
            return {
                "result": "FAIL",
                "diagnostics": [{**problem, "message": str(error)}],
                "truncated": False,
            }
        return {"result": "OK", "diagnostics": [], "truncated": False}

    # --- Versions and aliases --------------------------------------------------------------------

    def publish_state_machine_version(self, asked: Request, region: str) -> Answer:
        machine = self._store.machine(_machine_arn(asked["stateMachineArn"]))
        arn = machine.publish(asked.get("description", ""))
        self._store.keep_machine(machine)
        version = machine.versions[arn.rpartition(":")[2]]
        return {"stateMachineVersionArn": arn, "creationDate": version.created}

    def delete_state_machine_version(self, asked: Request, region: str) -> Answer:
        base, _, number = asked["stateMachineVersionArn"].rpartition(":")
        if machine := self._store.machines.get(base):
            machine.versions.pop(number, None)
            self._store.keep_machine(machine)
        return {}

    def list_state_machine_versions(self, asked: Request, region: str) -> Answer:
        machine = self._store.machine(_machine_arn(asked["stateMachineArn"]))
        found = [
            {"stateMachineVersionArn": f"{machine.arn}:{number}", "creationDate": each.created}
            for number, each in reversed(machine.versions.items())
        ]
        return _page("stateMachineVersions", found, asked)

    def create_state_machine_alias(self, asked: Request, region: str) -> Answer:
        routes = asked["routingConfiguration"]
        base = routes[0]["stateMachineVersionArn"].rpartition(":")[0]
        machine = self._store.machine(base)
        for route in routes:
            self._store.resolve(route["stateMachineVersionArn"])
        alias = Alias(routes, asked.get("description", ""))
        machine.aliases[asked["name"]] = alias
        self._store.keep_machine(machine)
        return {
            "stateMachineAliasArn": f"{machine.arn}:{asked['name']}",
            "creationDate": alias.created,
        }

    def update_state_machine_alias(self, asked: Request, region: str) -> Answer:
        machine, alias = self._alias(asked["stateMachineAliasArn"])
        alias.routes = asked.get("routingConfiguration") or alias.routes
        alias.description = asked.get("description", alias.description)
        alias.updated = time.time()
        self._store.keep_machine(machine)
        return {"updateDate": alias.updated}

    def describe_state_machine_alias(self, asked: Request, region: str) -> Answer:
        arn = asked["stateMachineAliasArn"]
        _, alias = self._alias(arn)
        return {
            "stateMachineAliasArn": arn,
            "name": arn.rpartition(":")[2],
            "description": alias.description,
            "routingConfiguration": alias.routes,
            "creationDate": alias.created,
            "updateDate": alias.updated,
        }

    def delete_state_machine_alias(self, asked: Request, region: str) -> Answer:
        machine, _ = self._alias(asked["stateMachineAliasArn"])
        del machine.aliases[asked["stateMachineAliasArn"].rpartition(":")[2]]
        self._store.keep_machine(machine)
        return {}

    def list_state_machine_aliases(self, asked: Request, region: str) -> Answer:
        machine = self._store.machine(_machine_arn(asked["stateMachineArn"]))
        found = [
            {"stateMachineAliasArn": f"{machine.arn}:{name}", "creationDate": each.created}
            for name, each in machine.aliases.items()
        ]
        return _page("stateMachineAliases", found, asked)

    # --- Executions ------------------------------------------------------------------------------

    def start_execution(self, asked: Request, region: str) -> Answer:
        execution = self._executions.start(**_start(asked))
        return {"executionArn": execution.arn, "startDate": execution.started}

    def start_sync_execution(self, asked: Request, region: str) -> Answer:
        execution = self._executions.run(**_start(asked))
        milliseconds = ((execution.stopped or 0) - execution.started) * 1000
        answer = {
            **_described(execution),
            "billingDetails": {
                "billedMemoryUsedInMB": 64,
                "billedDurationInMilliseconds": max(1, -int(-milliseconds // 100)) * 100,
            },
            "outputDetails": {"included": True},
        }
        return {name: value for name, value in answer.items() if not name.startswith("redrive")}

    def stop_execution(self, asked: Request, region: str) -> Answer:
        execution = self._execution(asked["executionArn"])
        run = self._executions.runs.get(execution.arn)
        if run is not None:
            run.stop(asked.get("error"), asked.get("cause"))
        return {"stopDate": execution.stopped or time.time()}

    def describe_execution(self, asked: Request, region: str) -> Answer:
        return _described(self._execution(asked["executionArn"]))

    def list_executions(self, asked: Request, region: str) -> Answer:
        machine, _, version_arn, alias_arn = self._store.resolve(
            _machine_arn(asked["stateMachineArn"])
        )
        if machine.type == EXPRESS:
            raise wrong_type()
        status = asked.get("statusFilter")
        found = [
            _listed(each)
            for each in self._store.executions_of(machine.arn)
            if status in (None, each.status)
            and version_arn in ("", each.version_arn)
            and alias_arn in ("", each.alias_arn)
        ]
        return _page("executions", found, asked)

    def get_execution_history(self, asked: Request, region: str) -> Answer:
        events = self._executions.history(self._execution(asked["executionArn"]))
        if asked.get("reverseOrder"):
            events = events[::-1]
        if asked.get("includeExecutionData", True) is False:
            events = [_without_data(each) for each in events]
        return _page("events", events, asked)

    def describe_state_machine_for_execution(self, asked: Request, region: str) -> Answer:
        execution = self._execution(asked["executionArn"])
        machine = self._store.machine(execution.machine_arn)
        return {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "definition": execution.definition,
            "roleArn": execution.role_arn,
            "updateDate": machine.updated or machine.created,
            "loggingConfiguration": machine.logging,
            "tracingConfiguration": machine.tracing,
        }

    # --- Tags ------------------------------------------------------------------------------------

    def tag_resource(self, asked: Request, region: str) -> Answer:
        machine = self._store.tagged(asked["resourceArn"])
        machine.tags |= _tags(asked)
        self._store.keep_machine(machine)
        return {}

    def untag_resource(self, asked: Request, region: str) -> Answer:
        machine = self._store.tagged(asked["resourceArn"])
        for name in asked["tagKeys"]:
            machine.tags.pop(name, None)
        self._store.keep_machine(machine)
        return {}

    def list_tags_for_resource(self, asked: Request, region: str) -> Answer:
        tags = self._store.tagged(asked["resourceArn"]).tags
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _alias(self, arn: str) -> tuple[Machine, Alias]:
        base, _, name = arn.rpartition(":")
        machine = self._store.machines.get(base)
        if machine is None or name not in machine.aliases:
            raise StatesError("ResourceNotFound", f"State Machine Alias Does Not Exist: '{arn}'")
        return machine, machine.aliases[name]

    def _execution(self, arn: str) -> Execution:
        if not arn.startswith("arn:"):
            raise invalid_arn(arn)
        if ":express:" in arn:
            raise wrong_type()
        if ":execution:" not in arn:
            raise no_execution(arn)
        return self._store.execution(arn)


def _start(asked: Request) -> dict[str, str]:
    name = asked.get("name")
    return {
        "machine_arn": asked["stateMachineArn"],
        "name": _checked_name(name) if name else str(uuid.uuid4()),
        "input": asked.get("input") or "{}",
        "trace": asked.get("traceHeader") or "",
    }


def _described(execution: Execution) -> Answer:
    answer: Answer = {
        **_listed(execution),
        "input": execution.input,
        "inputDetails": {"included": True},
        "redriveStatus": "REDRIVABLE" if execution.status in REDRIVABLE else "NOT_REDRIVABLE",
    }
    if answer["redriveStatus"] == "NOT_REDRIVABLE":
        reason = f"Execution is {execution.status} and cannot be redriven"
        answer["redriveStatusReason"] = reason
    if execution.output is not None:
        answer |= {"output": execution.output, "outputDetails": {"included": True}}
    for name in ("error", "cause"):
        if (value := getattr(execution, name)) is not None:
            answer[name] = value
    if execution.trace_header:
        answer["traceHeader"] = execution.trace_header
    return answer


def _listed(execution: Execution) -> Answer:
    answer: Answer = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started,
        "redriveCount": 0,
    }
    if execution.stopped is not None:
        answer["stopDate"] = execution.stopped
    if execution.version_arn:
        answer["stateMachineVersionArn"] = execution.version_arn
    if execution.alias_arn:
        answer["stateMachineAliasArn"] = execution.alias_arn
    return answer


def _without_data(event: Mapping[str, Any]) -> Answer:
    def stripped(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if name not in ("input", "output")}

    return {name: stripped(each) for name, each in event.items()}


def _page(name: str, found: Sequence[object], asked: Request) -> Answer:
    """One page of a list. Its token is the number of entries before the next page."""
    try:
        start = int(asked.get("nextToken") or 0)
    except ValueError:
        raise StatesError("InvalidToken", "Invalid Token: 'Invalid token'") from None
    end = start + (asked.get("maxResults") or DEFAULT_PAGE)
    answer: Answer = {name: list(found[start:end])}
    if end < len(found):
        answer["nextToken"] = str(end)
    return answer


def _machine_arn(arn: str) -> str:
    if not arn.startswith("arn:"):
        raise invalid_arn(arn)
    return arn


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise StatesError("InvalidName", f"Invalid Name: '{name}'")
    return name


def _tags(asked: Request) -> dict[str, str]:
    tags: Iterable[Mapping[str, str]] = asked.get("tags") or ()
    return {tag["key"]: tag.get("value", "") for tag in tags}
