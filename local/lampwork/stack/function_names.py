"""The names by which a function of a stack can be found."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from lampwork.errors import FunctionNotFound
from lampwork.stack.model import Function

# In an ARN, in a partial ARN, or in the address of its invocations that API Gateway wants.
NAME: Final = re.compile(r"(?:^|:)function:([^:/]+)")


class FunctionNames:
    """Finds functions by name, ARN, partial ARN or invocations address, each with or without a
    version or an alias."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._by_name = {each.name: each for each in functions.values()}
        holders = Counter(each.local_id for each in functions.values())
        self._by_id = {
            **{each.local_id: each for each in functions.values() if holders[each.local_id] == 1},
            **functions,
        }

    def find(self, reference: object) -> Function | None:
        """The function that a template or a service of AWS refers to."""
        return self._by_name.get(name_in(str(reference)))

    def called(self, name: str) -> Function | None:
        """The function that a person or a client names: besides by all that `find` takes, by its
        logical id; one of a nested stack also by the last part of its id, where no other has that.
        """
        plain = name_in(name)
        return self._by_id.get(name) or self._by_name.get(plain) or self._by_id.get(plain)

    def get(self, name: str) -> Function:
        """As `called`.

        Raises:
            FunctionNotFound: there is none; the message names those there are.
        """
        if function := self.called(name):
            return function
        known = ", ".join(sorted(self._functions)) or "none"
        raise FunctionNotFound(f"There is no function {name!r}; the template has {known}.")


def name_in(reference: str) -> str:
    """The name in a name, an ARN, a partial ARN or an address, without a version or an alias."""
    named = NAME.search(reference)
    return named[1] if named else reference.partition(":")[0]
