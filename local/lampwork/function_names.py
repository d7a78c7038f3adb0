"""The names by which a function of a stack can be called."""

from collections import Counter
from collections.abc import Mapping

from lampwork.model import Function


def by_any_name(functions: Mapping[str, Function]) -> dict[str, Function]:
    """Each by its logical id, its name and, where no other has it, its id in its own template."""
    holders = Counter(each.local_id for each in functions.values())
    return {
        **{each.local_id: each for each in functions.values() if holders[each.local_id] == 1},
        **{each.name: each for each in functions.values()},
        **functions,
    }


def name_in(reference: str) -> str:
    """The name in a name, an ARN or a partial ARN, each with or without a qualifier."""
    return reference.rpartition("function:")[2].partition(":")[0]
