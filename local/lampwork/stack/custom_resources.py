"""Custom resources, and the references by which a stack waits for what their functions answer.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lampwork.stack.dynamic_references import REFERENCE, text_with_values
from lampwork.stack.model import CloudResource, CustomResource, DeployedStack

TYPE: Final = "AWS::CloudFormation::CustomResource"
PREFIX: Final = "Custom::"
# A dynamic reference to a custom resource: its logical id, and an attribute or nothing.
SERVICE: Final = "custom-resource"
MENTIONED: Final = re.compile(rf"\{{\{{resolve:{SERVICE}:([^:}}]+)")
WHOLE: Final = re.compile(rf"\{{\{{resolve:{SERVICE}:[^}}]+\}}\}}")


def is_custom(type: str) -> bool:
    return type == TYPE or type.startswith(PREFIX)


def reference(logical_id: str, attribute: str = "") -> str:
    """The text that stands for an attribute, or for the physical id, until it is known."""
    return f"{{{{resolve:{SERVICE}:{logical_id}:{attribute}}}}}"


def is_whole(value: object) -> bool:
    """Whether a value is one reference to a custom resource, and nothing else."""
    return isinstance(value, str) and WHOLE.fullmatch(value) is not None


def item(reference: str, index: int) -> str:
    """The reference to an item of an attribute that is a list."""
    return f"{reference.removesuffix('}}')}#{index}}}}}"


def is_reference(reference: str) -> bool:
    """Whether a dynamic reference, without its braces, is to a custom resource."""
    return reference.startswith(f"{SERVICE}:")


def mentioned(value: object) -> set[str]:
    """The custom resources that a value of the template refers to."""
    return set(MENTIONED.findall(json.dumps(value, default=str)))


def in_order(resources: Sequence[CustomResource]) -> Iterable[CustomResource]:
    """Each after those that it needs. Those that need each other come as they are written."""
    left = list(resources)
    while left:
        ids = {each.logical_id for each in left}
        ready = [each for each in left if not (_needs(each) & ids)] or left[:1]
        yield from ready
        left = [each for each in left if each not in ready]


def _needs(resource: CustomResource) -> set[str]:
    return {*resource.after, *mentioned(resource.properties)} - {resource.logical_id}


def filled(value: Any, values: Mapping[str, str | None]) -> Any:
    """A value with its references replaced. A reference that is the whole of a text keeps what is
    not known; the text is empty then."""
    match value:
        case dict():
            return {key: filled(each, values) for key, each in value.items()}
        case list():
            return [filled(each, values) for each in value]
        case str() if REFERENCE.search(value):
            return text_with_values(value, values)
        case _:
            return value


def without_references(resources: Iterable[CloudResource]) -> list[CloudResource]:
    """The resources that need not wait for a custom one."""
    return [each for each in resources if not mentioned(each.properties)]


def with_custom_outputs(
    stacks: Iterable[DeployedStack], values: Mapping[str, str | None]
) -> tuple[DeployedStack, ...]:
    return tuple(
        replace(
            stack,
            outputs=tuple(
                replace(each, value=filled(each.value, values)) for each in stack.outputs
            ),
            resources=tuple(
                replace(each, physical_id=filled(each.physical_id, values))
                for each in stack.resources
            ),
        )
        for stack in stacks
    )


def with_custom_values(
    resources: Iterable[CloudResource], values: Mapping[str, str | None]
) -> list[CloudResource]:
    return [
        (
            replace(each, properties=filled(each.properties, values))
            if mentioned(each.properties)
            else each
        )
        for each in resources
    ]
