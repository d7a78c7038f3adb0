from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lampwork.errors import TemplateError
from lampwork.stack.model import Ignored
from lampwork.template.document import Document
from lampwork.template.identity import STACK, Identity
from lampwork.template.intrinsics import Resolver, as_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a transformed template; its properties are resolved when asked for.

    Its logical id says in which nested stack it is: Parent/Resource.
    """

    template: "Template"
    type: str
    _resolver: Resolver
    _local_id: str
    _properties: Mapping[str, Any]

    @property
    def logical_id(self) -> str:
        return f"{self._resolver.place.prefix}{self._local_id}"

    @property
    def identity(self) -> Identity:
        return self._resolver.identity(self._local_id)

    @property
    def file(self) -> Path:
        """The template that it stands in."""
        return self._document.path

    @property
    def line(self) -> int:
        return self.line_of("")

    def line_of(self, property: str) -> int:
        """Where a property of it stands; 0 where that cannot be told."""
        return self._document.line(self._local_id, property)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As written: SAM drops those of what it transforms."""
        return self._document.metadata(self._local_id)

    @property
    def written_type(self) -> str:
        """Its type in the source, where SAM has not added it: AWS::Serverless::…"""
        source = self._document.resources.get(self._local_id)
        return str(source["Type"]) if source else self.type

    @property
    def nested(self) -> Resolver | None:
        """What is read of a nested stack; None where this is none, or not a file."""
        return self._resolver.nested(self._local_id) if self.type == STACK else None

    def get(self, name: str) -> Any:
        """A property with all intrinsic functions resolved; None where it is not there.

        Raises:
            TemplateError: something in it cannot be resolved.
        """
        return self._resolved(self._properties.get(name), name)

    def without(self, name: str, key: str) -> Any:
        """A property as `get` gives it, but for one key of it; None where that key is not there."""
        value = self._properties.get(name)
        if not isinstance(value, Mapping) or key not in value:
            return None
        return self._resolved({each: value[each] for each in value if each != key}, name)

    def properties(self) -> dict[str, Any]:
        """All of them, as `get` gives each."""
        resolved = self._resolved(dict(self._properties), "Properties")
        return _checked(self, "Properties", dict, "a mapping", resolved)

    def text(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else _checked(self, name, str, "a string", value)

    def required(self, name: str) -> str:
        """A property in text that must be there.

        Raises:
            TemplateError: it is not.
        """
        if (value := self.text(name)) is None:
            raise self.error(f"{self.logical_id} needs the property {name}.")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        return _checked(self, name, dict, "a mapping", self.get(name) or {})

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of variables, whose numbers and truths are text to whoever reads them."""
        return {key: as_text(value) for key, value in self.mapping(name).items()}

    def items(self, name: str) -> list[Any]:
        return _checked(self, name, list, "a list", self.get(name) or [])

    def integer(self, name: str, default: int, within: range | None = None) -> int:
        given = self.get(name)
        value = default if given is None else self._integer(name, given)
        if within is not None and value not in within:
            raise self.error(
                f"{self.logical_id}.{name} must be from {within[0]} to {within[-1]}, not {value}.",
                name,
            )
        return value

    def optional_integer(self, name: str) -> int | None:
        value = self.get(name)
        return None if value is None else self._integer(name, value)

    def error(self, problem: str, property: str = "") -> TemplateError:
        return self._document.error(self._local_id, problem, property)

    def ignore(self, what: str, reason: str = "") -> None:
        """Note that Lampwork does not run this resource, or a part of it."""
        ignored = Ignored(self.logical_id, what, self.line, reason, self.file)
        self.template.ignored.append(ignored)

    def claim(self) -> None:
        """Note that what wakes functions has read this resource."""
        self.template.claimed.add(self.logical_id)

    def _resolved(self, value: Any, name: str) -> Any:
        self.template.last_read = (self, name)
        return self._resolver.resolve(value, of=self._local_id, property=name)

    @property
    def _document(self) -> Document:
        return self._resolver.document

    def _integer(self, name: str, value: Any) -> int:
        try:
            return int(str(value))
        except ValueError:
            raise self.error(
                f"{self.logical_id}.{name} must be a whole number, not {value!r}.", name
            ) from None


class Template:
    """The resources whose conditions hold, also of nested stacks, and what was ignored of them.

    In `cache_dir` may be kept what is made of the template's files. `claimed` are the resources
    that a source of events has read; `last_read` is what was asked for last.
    """

    def __init__(self, resolver: Resolver, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.files: list[Path] = []
        self.ignored: list[Ignored] = []
        self.claimed: set[str] = set()
        self.last_read: tuple[Resource, str] | None = None
        self._resources: dict[str, Resource] = {}
        self._add(resolver)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def misshapen(self, error: Exception) -> TemplateError:
        """What went wrong with the property that was read last: a part of it has another kind."""
        if self.last_read is None:
            raise error
        resource, name = self.last_read
        return resource.error(
            f"a part of {resource.logical_id}.{name} is not of the kind that AWS wants: {error}."
            " `sam validate --lint` may say more.",
            name,
        )

    def of_type(self, type: str) -> Iterator[Resource]:
        return (each for each in self if each.type == type)

    def _add(self, resolver: Resolver) -> None:
        self.files += resolver.document.files
        for logical_id, content in resolver.resources.items():
            if resolver.active(logical_id):
                properties = content.get("Properties", {})
                resource = Resource(self, content["Type"], resolver, logical_id, properties)
                self._resources[resource.logical_id] = resource
                if nested := resource.nested:
                    self.files.append(nested.document.path)
                    self._add(nested)


def _checked(resource: Resource, name: str, kind: type[T], expected: str, value: Any) -> T:
    if not isinstance(value, kind):
        raise resource.error(
            f"{resource.logical_id}.{name} must be {expected}, not {value!r}.", name
        )
    return value
