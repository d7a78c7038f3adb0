from collections.abc import Iterator, Mapping
from typing import Any

from lampwork.errors import TemplateError
from lampwork.template.language.intrinsics import Resolver


class Exports(Mapping[str, str]):
    """What Fn::ImportValue finds: the values that the user gives, and the exports of the stacks
    beside each other. An export is resolved when somebody asks for it. So are the SSM parameters
    that one stack makes and another reads, as a parameter of a type AWS::SSM::Parameter::Value<…>
    or by a dynamic reference: where a template is read, no embedded AWS runs yet."""

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

    def stored(self, name: str) -> str | None:
        """The value of the AWS::SSM::Parameter of this name; None if no stack makes it, or if its
        value is made of itself."""
        looked_for = f"ssm:{name}"
        if looked_for in self._looked_for:
            return None
        self._looked_for.add(looked_for)
        try:
            return next(filter(None, (each.stored(name) for each in self._all())), None)
        except TemplateError:
            return None
        finally:
            self._looked_for.discard(looked_for)

    def _value(self, name: str) -> str:
        if name in self._looked_for:  # stacks that import from each other in a circle
            raise KeyError(name)
        self._looked_for.add(name)
        try:
            for resolver in self._all():
                for output, export in resolver.exports():
                    if export == name:
                        return resolver.output(output)
        except TemplateError as error:
            raise KeyError(name) from error
        finally:
            self._looked_for.discard(name)
        raise KeyError(name)

    def _all(self) -> Iterator[Resolver]:
        """The stacks, and then those that are nested in them."""
        level = list(self._resolvers)
        while level:
            yield from level
            level = [nested for resolver in level for nested in resolver.nested_stacks()]

    def __contains__(self, name: Any) -> bool:
        try:
            self[name]
        except KeyError:
            return False
        return True
