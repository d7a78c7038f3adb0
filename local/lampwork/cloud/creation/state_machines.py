from typing import Any, Final

from botocore.exceptions import ClientError

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.state_machines.records import LOGICAL_ID
from lampwork.stack.model import ACCOUNT_ID, CloudResource

NO_ROLE: Final = f"arn:aws:iam::{ACCOUNT_ID}:role/none"


def create_activity(clients: Clients, resource: CloudResource) -> Made:
    return {"arn": clients("stepfunctions").create_activity(name=resource.name)["activityArn"]}


def delete_activity(clients: Clients, made: Made) -> None:
    clients("stepfunctions").delete_activity(activityArn=made["arn"])


def create_state_machine(clients: Clients, resource: CloudResource) -> Made:
    """Create it, or change it if it is there. Executions that run go on with their definition.

    One whose version the template publishes is created anew, so that version 1 is what it is now.
    """
    states, properties = clients("stepfunctions"), resource.properties
    arn = f"arn:aws:states:{clients.region}:{ACCOUNT_ID}:stateMachine:{resource.name}"
    wanted = {
        "definition": properties["DefinitionString"],
        "roleArn": properties["RoleArn"] or NO_ROLE,
        **_settings(properties),
    }
    present = _present(states, arn)
    is_kind = present is not None and present["type"] == properties["StateMachineType"]
    if is_kind and not properties["Published"]:
        states.update_state_machine(stateMachineArn=arn, **wanted)
        return {"arn": arn}
    if present is not None:
        states.delete_state_machine(stateMachineArn=arn)
    tags = [{"key": each["Key"], "value": each["Value"]} for each in properties["Tags"] or ()]
    tags.append({"key": LOGICAL_ID, "value": resource.logical_id})
    created = states.create_state_machine(
        name=resource.name,
        type=properties["StateMachineType"],
        tags=tags,
        publish=properties["Published"],
        **wanted,
    )
    for name in properties["Aliases"]:
        route = {"stateMachineVersionArn": created["stateMachineVersionArn"], "weight": 100}
        states.create_state_machine_alias(name=name, routingConfiguration=[route])
    return {"arn": arn}


def delete_state_machine(clients: Clients, made: Made) -> None:
    clients("stepfunctions").delete_state_machine(stateMachineArn=made["arn"])


def _present(states: Any, arn: str) -> Any:
    try:
        return states.describe_state_machine(stateMachineArn=arn)
    except ClientError:
        return None


def _settings(properties: Any) -> dict[str, Any]:
    settings = {}
    for name in ("LoggingConfiguration", "TracingConfiguration"):
        if given := properties[name]:
            settings[name[0].lower() + name[1:]] = _in_camel_case(given)
    return settings


def _in_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _in_camel_case(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_camel_case(each) for each in value]
    return value
