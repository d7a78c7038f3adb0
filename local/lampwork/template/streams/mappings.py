"""What all event source mappings have in common."""

from collections.abc import Iterator

from lampwork.events.event_patterns.operators import BadPattern
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.template.resource import Resource
from lampwork.template.source.values import Values


def is_disabled(mapping: Resource) -> bool:
    return not mapping.truth("Enabled", True)


def filters_of(source: Values) -> Iterator[str]:
    """The patterns of the filter criteria of a mapping or a pipe.

    Raises:
        TemplateError: AWS would refuse one.
    """
    for each in source.section("FilterCriteria").sections("Filters"):
        pattern = each.required("Pattern")
        check_pattern(pattern, each, "Pattern")
        yield pattern


def check_pattern(pattern: str, where: Values, name: str) -> None:
    """
    Raises:
        TemplateError: AWS would refuse the event pattern, which is the property `name`.
    """
    try:
        EventPattern.parse(pattern)
    except BadPattern as error:
        problem = f"{where.path(name)}: AWS refuses the pattern {pattern}: {error}"
        raise where.error(problem, name) from error
