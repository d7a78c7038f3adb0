"""Finding a stack's functions by the names that templates, services and users give them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from lampwork.errors import FunctionNotFound
from lampwork.stack.model import LATEST, Function

# What comes before the tenant where a name says for which tenant a function is invoked.
TENANT: Final = "#"
# Matches in an ARN, in a partial ARN, and in the invocation URI that API Gateway takes.
NAME: Final = re.compile(r"(?:^|:)function:([^:/]+)")
QUALIFIED: Final = re.compile(r"(?:^|:)function:[^:/]+:([^:/]+)")


class FunctionNames:
    """Finds functions by name, ARN, partial ARN or invocation URI, each with or without a version
    or an alias."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._by_name = {each.name: each for each in functions.values()}
        holders = Counter(each.local_id for each in functions.values())
        self._by_id = {
            **{each.local_id: each for each in functions.values() if holders[each.local_id] == 1},
            **functions,
        }

    def find(self, reference: object) -> Function | None:
        """The function that a template or an AWS service refers to; None if there is none."""
        return self._by_name.get(name_in(str(reference)))

    def called(self, name: str) -> Function | None:
        """The function that a user or a client names; None if there is none.

        Takes all that `find` takes, and the logical id. The id of a function in a nested stack may
        be shortened to its last part if no other function's id ends in the same part.
        """
        plain = name_in(name)
        return self._by_id.get(name) or self._by_name.get(plain) or self._by_id.get(plain)

    def get(self, name: str) -> Function:
        """The same as `called`.

        Raises:
            FunctionNotFound: there is none; the message lists the functions that there are.
        """
        if function := self.called(name):
            return function
        known = ", ".join(sorted(self._functions)) or "none"
        meant = suggestion(name, self._functions)
        raise FunctionNotFound(f"There is no function {name!r}{meant}; the template has {known}.")


def suggestion(name: str, names: Iterable[str]) -> str:
    """The question "did you mean …?" for a name that is none of these, if one comes close to it."""
    lowered = {each.lower(): each for each in names}
    close = get_close_matches(name.lower(), lowered, 1)
    return f" (did you mean {lowered[close[0]]}?)" if close else ""


def name_in(reference: str) -> str:
    """The function's name in a name, an ARN, a partial ARN or an invocation URI, without a version
    or an alias."""
    reference = reference.partition(TENANT)[0]
    named = NAME.search(reference)
    return named[1] if named else reference.partition(":")[0]


def qualifier_in(reference: str) -> str | None:
    """The version or the alias in a name, an ARN, a partial ARN or an invocation URI."""
    if NAME.search(reference):
        named = QUALIFIED.search(reference)
        return named[1] if named else None
    return reference.partition(":")[2] or None


def invoked_as(reference: str, function: Function) -> str:
    """The name by which what runs functions knows this one, for a caller who refers to it so."""
    reference, mark, tenant = reference.partition(TENANT)
    if not function.qualifiers:
        known = function.logical_id
    elif reference.partition(":")[0] == function.logical_id:  # by which gateways and triggers call
        known = reference
    else:
        known = invocation_name(function, qualifier_in(reference))
    return known + mark + tenant


def tenant_name(name: str, tenant: str) -> str:
    """The name by which what runs functions knows the environments of a tenant."""
    return f"{name}{TENANT}{tenant}"


def invocation_name(function: Function, qualifier: str | None) -> str:
    """The name by which what runs functions knows this one, for a caller who names it with this
    qualifier, or with none."""
    if (qualifier or LATEST) == (function.qualifier or LATEST):
        return function.logical_id
    return f"{function.logical_id}:{qualifier or LATEST}"
