import json
from collections.abc import Mapping
from typing import Final

from lampwork.errors import TemplateError
from lampwork.template.source.document import Document
from lampwork.template.source.values import Section, Values

IMPORT: Final = "Fn::ImportValue"


def parameter_values(document: Document, given: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What each parameter of a template stands for: the given value or its default. One with
    neither is left out.

    Raises:
        TemplateError: a given parameter is not declared, or a value is not allowed.
    """
    declared = _declared(document)
    if unknown := sorted(given.keys() - set(declared)):
        raise TemplateError(
            f"{document.path} has no parameter {', '.join(unknown)};"
            f" it has {', '.join(sorted(declared)) or 'none'}."
        )
    lacking = without_value(document, given)
    return {
        name: _parameter_value(document, name, declared.section(name), given.get(name))
        for name in declared
        if name not in lacking
    }


def imported(document: Document, given: Mapping[str, str]) -> dict[str, str]:
    """The given values that are not parameters, for Fn::ImportValue."""
    if IMPORT not in json.dumps(document.content, default=str):
        return {}
    declared = set(_declared(document))
    return {name: value for name, value in given.items() if name not in declared}


def without_value(document: Document, given: Mapping[str, str]) -> tuple[str, ...]:
    """The parameters that have neither a given value nor a default."""
    declared = _declared(document)
    return tuple(
        name
        for name in declared
        if name not in given and declared.section(name).scalar("Default") is None
    )


class _AsWritten(Values):
    """The sections of a document, in which nothing is resolved."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def get(self, name: str) -> object:
        return self._document.content.get(name)

    def path(self, name: str = "") -> str:
        return name

    def error(self, problem: str, name: str = "") -> TemplateError:
        return self._document.error("", problem)


def _declared(document: Document) -> Section:
    return _AsWritten(document).section("Parameters")


def _parameter_value(
    document: Document, name: str, declaration: Section, given: str | None
) -> str | list[str]:
    type = declaration.text("Type") or "String"
    text = (given if given is not None else declaration.scalar("Default")) or ""
    allowed = declaration.scalars("AllowedValues")
    if allowed and text not in allowed:
        raise TemplateError(
            f"{document.path}: the parameter {name} must be one of {', '.join(allowed)},"
            f" not {text!r}."
        )
    if type.startswith("AWS::SSM::Parameter::Value<") and text:
        reference = f"{{{{resolve:ssm:{text}}}}}"  # read where variables are filled in
        return [reference] if "List<" in type else reference
    if type == "CommaDelimitedList" or "List<" in type:
        return [item.strip() for item in text.split(",")] if text else []
    return text
