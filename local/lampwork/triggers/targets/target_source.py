"""What the sources have in common whose resources send events to targets, functions among them.

The embedded AWS puts what it has for functions into a queue of its own, and
`lampwork.triggers.asynchronous.receiver` takes it to them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack
from lampwork.stack.narrowing import Keeps
from lampwork.stack.ways_in import WayIn
from lampwork.triggers.source import Source

Target = tuple[str, str]
"""What of the source leads to a target, and the target's ARN."""


class TargetSource(Source):
    """Resources of some types that have a list of targets; `kind` is what one is called."""

    kind: ClassVar[str]
    types: ClassVar[Sequence[str]]

    def targets(self, resource: CloudResource) -> Iterator[Target]:
        """The targets of one of its resources."""
        raise NotImplementedError

    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource | None:
        """The resource with the targets whose ARN is kept; None for what is nothing without one."""
        raise NotImplementedError

    def ways_in(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[WayIn]:
        functions = FunctionNames(stack.functions)
        for resource in stack.resources:
            if resource.type in self.types:
                for what, target in self.targets(resource):
                    if function := functions.find(target):
                        yield self.kind, what, function.logical_id

    def narrowed(self, stack: Stack, keeps: Keeps) -> Stack:
        def keeps_target(arn: str) -> bool:
            return ":function:" not in arn or keeps(arn)

        left = (
            self.with_targets(each, keeps_target) if each.type in self.types else each
            for each in stack.resources
        )
        return replace(stack, resources=tuple(filter(None, left)))


def list_of(properties: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A property that is a list, empty where it is not there."""
    return properties.get(name) or ()


def with_list(resource: CloudResource, name: str, key: str, keeps: Keeps) -> CloudResource:
    """The resource with those of a list whose ARN, under `key`, is kept."""
    if not (present := list_of(resource.properties, name)):
        return resource
    return with_property(resource, name, [each for each in present if keeps(str(each.get(key)))])


def with_property(resource: CloudResource, name: str, value: Any) -> CloudResource:
    return replace(resource, properties={**resource.properties, name: value})
