"""What a template says of a state machine of Step Functions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lampwork.template.language.intrinsics import (
    ROUTES,
    STATES_ALIAS,
    STATES_VERSION,
    version_of,
)
from lampwork.template.language.transform import LOCAL_BUCKET
from lampwork.template.resource import Resource
from lampwork.template.source.syntax import construct, error_at, parse_text
from lampwork.template.source.values import as_text
from lampwork.template.state_machine_gaps import name_gaps


def state_machine_properties(resource: Resource) -> dict[str, Any]:
    """The properties, with the definition as one text in `DefinitionString`: a file is read, and
    what `DefinitionSubstitutions` names is filled in.

    Raises:
        TemplateError: there is no definition, its file does not exist, or it is neither JSON nor
            YAML.
    """
    file, written = _definition(resource)
    definition = _in_json(resource, file, _filled(written, _substitutions(resource)))
    name_gaps(resource, definition)
    return {
        "DefinitionString": definition,
        "RoleArn": resource.text("RoleArn"),
        "StateMachineType": resource.text("StateMachineType") or "STANDARD",
        "LoggingConfiguration": resource.get("LoggingConfiguration"),
        "TracingConfiguration": resource.get("TracingConfiguration"),
        "Tags": resource.get("Tags"),
        **_published(resource),
    }


def has_definition(resource: Resource) -> bool:
    """Whether its definition is here; else it is an object in a bucket of a real account."""
    location = resource.section("DefinitionS3Location")
    return not location or location.get("Bucket") == LOCAL_BUCKET


def _published(machine: Resource) -> dict[str, Any]:
    """Whether the template publishes a version of it, and the names of its aliases.

    A template has one version at a time, so each alias leads there, whatever their weights are.
    """
    arn, is_published, aliases = machine.identity.arn, False, list[str]()
    for resource in machine.template:
        if resource.type == STATES_VERSION and resource.text("StateMachineArn") == arn:
            is_published = True
        elif resource.type == STATES_ALIAS:
            version = version_of({name: resource.get(name) for name in ROUTES})
            if version.rpartition(":")[0] == arn:
                aliases.append(resource.required("Name"))
    return {"Published": is_published or bool(aliases), "Aliases": aliases}


def _definition(resource: Resource) -> tuple[Path, str]:
    """The file with the definition, and its text."""
    if text := resource.text("DefinitionString"):
        return resource.file, text
    if whole := resource.get("Definition"):
        return resource.file, json.dumps(whole)
    key = resource.section("DefinitionS3Location").text("Key")
    if key is None:
        raise resource.error(
            f"{resource.logical_id} needs a definition: DefinitionUri, DefinitionString or"
            " Definition."
        )
    file = resource.file.parent / unquote(key)
    if not file.is_file():
        raise resource.error(
            f"the definition of {resource.logical_id} should be in the file {file}, which does not"
            " exist; correct its DefinitionUri.",
            "DefinitionUri",
        )
    resource.template.files.append(file)
    try:
        return file, file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise resource.error(f"{file} is not text in UTF-8: {error}.", "DefinitionUri") from error


def _substitutions(resource: Resource) -> Mapping[str, str]:
    section = resource.section("DefinitionSubstitutions")
    return {name: as_text(section.get(name)) for name in section}


def _filled(definition: str, values: Mapping[str, str]) -> str:
    """The definition with each ${name} replaced; a name without a value stays as it is."""
    return re.sub(r"\$\{([^{}$]+)\}", lambda found: values.get(found[1], found[0]), definition)


def _in_json(resource: Resource, file: Path, definition: str) -> str:
    """The definition in JSON. One that is JSON already stays as it is written."""
    if definition.lstrip().startswith("{"):
        try:
            json.loads(definition)
        except json.JSONDecodeError as error:
            raise error_at(file, error.lineno, f"this is no JSON: {error.msg}.") from error
        return definition
    node = parse_text(file, definition, resource.template.warnings.append)
    return json.dumps(construct(file, node))
