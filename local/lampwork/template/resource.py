from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lampwork.errors import TemplateError
from lampwork.stack.model import Ignored
from lampwork.template.language.identity import STACK, Identity
from lampwork.template.language.intrinsics import MissingExport, Resolver
from lampwork.template.source.document import Document
from lampwork.template.source.properties import is_off
from lampwork.template.source.values import Section, Values

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Resource(Values):
    """One resource of a transformed template. Each property is resolved when it is read.

    Its logical id says in which nested stack it is: Parent/Resource.
    """

    template: "Template"
    type: str
    _resolver: Resolver
    _local_id: str
    _properties: Mapping[str, object]

    @property
    def logical_id(self) -> str:
        return f"{self._resolver.place.prefix}{self._local_id}"

    @property
    def local_id(self) -> str:
        """Its logical id in its own template."""
        return self._local_id

    @property
    def identity(self) -> Identity:
        return self._resolver.identity(self._local_id)

    @property
    def file(self) -> Path:
        """The template that contains it."""
        return self._document.path

    @property
    def line(self) -> int:
        return self.line_of("")

    def line_of(self, property: str) -> int:
        """The line of a property; 0 where it is not known."""
        return self._document.line(self._local_id, property)

    @property
    def depends_on(self) -> frozenset[str]:
        """The logical ids of the resources that CloudFormation makes before it."""
        given = self._resolver.resources[self._local_id].get("DependsOn", ())
        names = given if isinstance(given, list) else [given] if isinstance(given, str) else ()
        return frozenset(f"{self._resolver.place.prefix}{name}" for name in names)

    @property
    def metadata(self) -> Section:
        """As written in the source, since SAM drops the metadata of what it transforms."""
        return Section(self, "Metadata", self._document.metadata(self._local_id))

    @property
    def written_type(self) -> str:
        """Its type in the source, such as AWS::Serverless::Function, unless SAM added it."""
        source = self._document.resources.get(self._local_id)
        return str(source["Type"]) if source else self.type

    @property
    def is_made_by_sam(self) -> bool:
        """Whether it is not in the source: SAM made it of another resource."""
        return self._local_id not in self._document.resources

    @property
    def nested(self) -> Resolver | None:
        """The template of a nested stack that is a file; otherwise None."""
        return self._resolver.nested(self._local_id) if self.type == STACK else None

    def get(self, name: str) -> object:
        """A property with all intrinsic functions resolved; None where it is absent.

        Raises:
            TemplateError: something in it cannot be resolved.
        """
        return self._resolved(self._properties.get(name), name)

    def path(self, name: str = "") -> str:
        return f"{self.logical_id}.{name}" if name else self.logical_id

    def without(self, name: str, key: str) -> Section | None:
        """A mapping without one of its keys; None where it does not have that key."""
        value = self._properties.get(name)
        if not isinstance(value, Mapping) or key not in value:
            return None
        rest = self._resolved({each: value[each] for each in value if each != key}, name)
        return Section(self, name, self._checked(name, dict, "a mapping", rest))

    def properties(self) -> dict[str, object]:
        """All properties, each as `get` returns it."""
        resolved = self._resolved(dict(self._properties), "Properties")
        return self._checked("Properties", dict, "a mapping", resolved)

    def set_properties(self) -> Iterator[str]:
        """The names of the properties that ask for something."""
        for name, value in self._properties.items():
            if isinstance(value, dict):
                with suppress(TemplateError):  # whoever reads it says what is wrong
                    value = self._resolved(value, name)
            if not is_off(value):
                yield name

    def error(self, problem: str, name: str = "") -> TemplateError:
        return self._document.error(self._local_id, problem, name)

    def ignore(self, what: str, reason: str = "", *, harmless: bool = False) -> None:
        """Record that Lampwork does not run this resource, or a part of it."""
        ignored = Ignored(self.logical_id, what, self.line, reason, self.file, harmless)
        if ignored not in self.template.ignored:  # several readers may find the same
            self.template.ignored.append(ignored)

    def heed(self, name: str) -> None:
        """Record that a property has its effect here, though not on each resource of the type."""
        self.template.heeded.add((self.logical_id, name))

    def claim(self) -> None:
        """Record that a source of events has read this resource."""
        self.template.claimed.add(self.logical_id)

    def _resolved(self, value: object, name: str) -> object:
        return self._resolver.resolve(value, of=self._local_id, property=name)

    @property
    def _document(self) -> Document:
        return self._resolver.document


def read_each(
    resources: Iterable[Resource], read: Callable[[Resource], Iterable[Part]]
) -> Iterator[Part]:
    """What `read` makes of each resource.

    One that imports what no other stack exports here is left out and named: the others can run
    without it.
    """
    for resource in resources:
        try:
            found = tuple(read(resource))
        except MissingExport as error:
            resource.claim()
            resource.ignore(resource.written_type, error.reason)
        else:
            yield from found


class Template:
    """The resources whose conditions are true, also those of nested stacks, and what was ignored.

    What is made of the template's files may be kept in `cache_dir`. `heeded` are properties of
    single resources that have their effect, though not on each resource of the type. `claimed` are
    the resources that a source of events has read. `resolvers` are those of all templates, the
    nested ones among them.
    """

    def __init__(self, resolvers: Iterable[Resolver], cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.files: list[Path] = []
        self.warnings: list[str] = []
        self.ignored: list[Ignored] = []
        self.claimed: set[str] = set()
        self.heeded: set[tuple[str, str]] = set()
        self._resources: dict[str, Resource] = {}
        self.resolvers: list[Resolver] = []
        first, *beside = resolvers
        self._add(first)
        for resolver in beside:
            self.files.append(resolver.document.path)
            self._add(resolver)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def of_type(self, type: str) -> Iterator[Resource]:
        return (each for each in self if each.type == type)

    def _add(self, resolver: Resolver) -> None:
        self.resolvers.append(resolver)
        self.files += resolver.document.files
        self.warnings += resolver.document.warnings
        for logical_id, content in resolver.resources.items():
            if resolver.active(logical_id):
                properties = content.get("Properties", {})
                resource = Resource(self, content["Type"], resolver, logical_id, properties)
                self._resources[resource.logical_id] = resource
                if nested := resource.nested:
                    self.files.append(nested.document.path)
                    self._add(nested)
