"""Dynamic references in functions' variables: {{resolve:ssm:…}} and {{resolve:secretsmanager:…}}.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from lampwork.stack.model import Function

REFERENCE: Final = re.compile(r"\{\{resolve:([^}]+)\}\}")


def references_in(functions: Mapping[str, Function]) -> list[str]:
    """The references in the functions' variables, each once, without `{{resolve:` and `}}`."""
    return sorted(
        {
            reference
            for function in functions.values()
            for value in function.environment.values()
            for reference in REFERENCE.findall(value)
        }
    )


def unresolved(
    functions: Mapping[str, Function], values: Mapping[str, str | None]
) -> Iterator[tuple[Function, str, str]]:
    """The references without a value: the function, the name of its variable, the reference."""
    for function in functions.values():
        for name, value in function.environment.items():
            for reference in REFERENCE.findall(value):
                if values.get(reference) is None:
                    yield function, name, reference


def text_with_values(text: str, values: Mapping[str, str | None]) -> str:
    """A text with its references replaced by the values; one without a value by ""."""
    return REFERENCE.sub(lambda match: values.get(match[1]) or "", text)


def with_values(
    functions: Mapping[str, Function], values: Mapping[str, str | None]
) -> dict[str, Function]:
    """The functions with their references replaced by the values; one without a value by ""."""
    return {
        logical_id: replace(
            function,
            environment={
                name: text_with_values(value, values)
                for name, value in function.environment.items()
            },
        )
        for logical_id, function in functions.items()
    }
