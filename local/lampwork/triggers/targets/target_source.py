"""The common part of sources whose resources send events to targets, such as functions.

The embedded AWS puts the events for functions into a queue of its own;
`lampwork.triggers.asynchronous.service_events` delivers them from there.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack
from lampwork.stack.narrowing import Keeps
from lampwork.triggers.source import Source

Target = tuple[str, str]
"""The name of what sends events to a target, and the target's ARN."""


class TargetSource(Source):
    """Resources of certain types, each with a list of targets. `kind` is the name of such a
    resource in the list of entry points."""

    kind: ClassVar[str]
    types: ClassVar[Sequence[str]]

    @abstractmethod
    def targets(self, resource: CloudResource) -> Iterator[Target]:
        """The targets of one of these resources."""

    @abstractmethod
    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource | None:
        """The resource with only the targets whose ARN `keeps` accepts; None if a resource without
        targets has no purpose."""

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
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
    """A property whose value is a list; empty if there is no such property."""
    return properties.get(name) or ()


def with_list(resource: CloudResource, name: str, key: str, keeps: Keeps) -> CloudResource:
    """The resource with its list `name` reduced to the entries whose ARN, at `key`, `keeps`
    accepts."""
    if not (present := list_of(resource.properties, name)):
        return resource
    return with_property(resource, name, [each for each in present if keeps(str(each.get(key)))])


def with_property(resource: CloudResource, name: str, value: Any) -> CloudResource:
    return replace(resource, properties={**resource.properties, name: value})
