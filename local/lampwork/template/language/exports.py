from collections.abc import Iterator, Mapping
from typing import Any

from lampwork.errors import TemplateError
from lampwork.template.language.intrinsics import Resolver


class Exports(Mapping[str, str]):
    """What Fn::ImportValue finds: the values that the user gives, and the exports of the stacks
    beside each other. An export is resolved when somebody asks for it."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._resolvers: list[Resolver] = []
        self._found: dict[str, str] = {}
        self._looked_for: set[str] = set()

    def add(self, resolver: Resolver) -> None:
        self._resolvers.append(resolver)

    def __getitem__(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        if name not in self._found:
            self._found[name] = self._value(name)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._given
        yield from self._found

    def __len__(self) -> int:
        return len(self._given) + len(self._found)

    def _value(self, name: str) -> str:
        if name in self._looked_for:  # stacks that import from each other in a circle
            raise KeyError(name)
        self._looked_for.add(name)
        try:
            for resolver in self._resolvers:
                for output, export in resolver.exports():
                    if export == name:
                        return resolver.output(output)
        except TemplateError as error:
            raise KeyError(name) from error
        finally:
            self._looked_for.discard(name)
        raise KeyError(name)

    def __contains__(self, name: Any) -> bool:
        try:
            self[name]
        except KeyError:
            return False
        return True
