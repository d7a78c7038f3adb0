import json
from collections.abc import Iterator
from typing import Final

from lampwork.stack.model import CloudResource
from lampwork.template.language.identity import OF_COGNITO
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.source.coverage import CREATED
from lampwork.template.state_machines import has_definition, state_machine_properties
from lampwork.template.streams.mappings import check_pattern
from lampwork.template.triggers import queue_attributes

RULE: Final = "AWS::Events::Rule"
STATE_MACHINE: Final = "AWS::StepFunctions::StateMachine"


def read_resources(template: Template) -> tuple[CloudResource, ...]:
    """What the template defines of AWS's services beside functions and their APIs.

    Raises:
        TemplateError: a property cannot be resolved, or AWS would refuse the pattern of a rule.
    """
    made = (each for each in template if each.type in CREATED or each.type == RULE)
    return tuple(read_each(made, _resource))


def _resource(resource: Resource) -> Iterator[CloudResource]:
    if _is_here(resource) and (resource.type != RULE or _waits_for_events(resource)):
        yield CloudResource(
            type=resource.type,
            logical_id=resource.logical_id,
            name=resource.identity.name,
            properties=_properties(resource),
            line=resource.line,
        )


def _waits_for_events(resource: Resource) -> bool:
    return resource.type == RULE and resource.get("EventPattern") is not None


def _is_here(resource: Resource) -> bool:
    """Whether the template holds all of it. A definition in a real account's bucket is not here."""
    if resource.type != STATE_MACHINE or has_definition(resource):
        return True
    resource.ignore(resource.written_type, "its definition is an object in S3; name a file here")
    return False


def _properties(resource: Resource) -> dict[str, object]:
    if resource.type == "AWS::SQS::Queue":
        return {"Attributes": dict(queue_attributes(resource))}
    if resource.type == STATE_MACHINE:
        return state_machine_properties(resource)
    properties = resource.properties()
    if resource.type == RULE:
        pattern = _as_json(properties["EventPattern"])
        check_pattern(pattern, resource, "EventPattern")
        properties["EventPattern"] = pattern
    if resource.type in OF_COGNITO:
        identity = resource.identity
        properties |= {"Id": identity.cognito_id, "Secret": identity.client_secret}
    return properties


def _as_json(value: object) -> str:
    """A property of CloudFormation's type Json, which may also be a text in JSON."""
    return value if isinstance(value, str) else json.dumps(value)
