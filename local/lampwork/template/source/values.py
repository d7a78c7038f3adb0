"""Typed access to the values of a template: a value of the wrong kind is an error with its line."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from lampwork.errors import TemplateError

T = TypeVar("T")
TRUTH_VALUES: Final = {"true": True, "false": False}


def as_text(value: object) -> str:
    """A scalar as CloudFormation writes it: `true`, not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Values(ABC):
    """Values by name. Each reader asks for one of the kind that AWS wants.

    All of them raise a TemplateError where the value is of another kind. A value that is None, as
    AWS::NoValue is, counts as absent.
    """

    @abstractmethod
    def get(self, name: str) -> object:
        """A value of any kind; None where it is absent."""

    @abstractmethod
    def path(self, name: str = "") -> str:
        """What a message calls a value, or all of these: Work.DeadLetterConfig.TargetArn."""

    @abstractmethod
    def error(self, problem: str, name: str = "") -> TemplateError:
        """An error with the file and the line of a value, or of all these values."""

    def text(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else self._checked(name, str, "a string", value)

    def required(self, name: str) -> str:
        """A text that must not be absent."""
        if (value := self.text(name)) is None:
            raise self.error(f"{self.path()} needs the property {name}.")
        return value

    def scalar(self, name: str) -> str | None:
        """A text that may also be written as a number or a truth value."""
        value = self.get(name)
        return None if value is None else self._scalar(name, value)

    def truth(self, name: str, default: bool = False) -> bool:
        value = self.get(name)
        if value is None:
            return default
        if (text := str(value).lower()) not in TRUTH_VALUES:
            raise self._wrong(name, "true or false", value)
        return TRUTH_VALUES[text]

    def integer(self, name: str, default: int, within: range | None = None) -> int:
        value = self.optional_integer(name, within)
        return default if value is None else value

    def optional_integer(self, name: str, within: range | None = None) -> int | None:
        given = self.get(name)
        if given is None:
            return None
        try:
            value = int(str(given))
        except ValueError:
            raise self._wrong(name, "a whole number", given) from None
        if within is not None and value not in within:
            raise self._wrong(name, f"from {within[0]} to {within[-1]}", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(
            self._checked(name, str, "a list of strings", each) for each in self._list(name)
        )

    def scalars(self, name: str) -> tuple[str, ...]:
        return tuple(self._scalar(name, each) for each in self._list(name))

    def one_or_more(self, name: str) -> tuple[str, ...]:
        """The scalars of a list, or a single one that stands there without a list."""
        if isinstance(self.get(name), list):
            return self.scalars(name)
        alone = self.scalar(name)
        return () if alone is None else (alone,)

    def variables(self, name: str) -> dict[str, str]:
        """A mapping of scalars."""
        section = self.section(name)
        return {key: section._scalar(key, section.get(key)) for key in section}

    def section(self, name: str) -> "Section":
        """The values of a mapping; an empty one where it is absent."""
        value = self.get(name)
        content = {} if value is None else self._checked(name, dict, "a mapping", value)
        return Section(self, name, content)

    def sections(self, name: str) -> "Iterator[Section]":
        """The mappings of a list."""
        for each in self._list(name):
            yield Section(self, name, self._checked(name, dict, "a list of mappings", each))

    def _list(self, name: str) -> list[object]:
        value = self.get(name)
        return [] if value is None else self._checked(name, list, "a list", value)

    def _scalar(self, name: str, value: object) -> str:
        if not isinstance(value, str | int | float):
            raise self._wrong(name, "a string", value)
        return as_text(value)

    def _checked(self, name: str, kind: type[T], expected: str, value: object) -> T:
        if not isinstance(value, kind):
            raise self._wrong(name, expected, value)
        return value

    def _wrong(self, name: str, expected: str, value: object) -> TemplateError:
        return self.error(f"{self.path(name)} must be {expected}, not {value!r}.", name)


class Section(Values):
    """A mapping inside a resource. Its names are in the order of the template."""

    def __init__(self, around: Values, name: str, content: Mapping[str, object]) -> None:
        self.content = content
        self._around = around
        self._name = name

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __bool__(self) -> bool:
        return bool(self.content)

    def get(self, name: str) -> object:
        return self.content.get(name)

    def path(self, name: str = "") -> str:
        return ".".join(filter(None, (self._around.path(self._name), name)))

    def error(self, problem: str, name: str = "") -> TemplateError:
        return self._around.error(problem, self._name)

    def in_lower_case(self) -> "Section":
        """The same section with names in lower case: OpenAPI writes statusCode, CloudFormation
        StatusCode."""
        content = {name.lower(): value for name, value in self.content.items()}
        return Section(self._around, self._name, content)
