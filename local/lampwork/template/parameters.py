import json
from collections.abc import Mapping
from typing import Any, Final

from lampwork.errors import TemplateError
from lampwork.template.document import Document
from lampwork.template.intrinsics import as_text

IMPORT: Final = "Fn::ImportValue"


def parameter_values(document: Document, given: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What each parameter of a template stands for: the given value, its default or, for text
    without either, an empty string.

    Raises:
        TemplateError: a given parameter is not declared, a number is missing, or a value is not
            allowed.
    """
    declared: Mapping[str, Any] = document.content["Parameters"]
    if unknown := sorted(given.keys() - declared.keys()):
        raise TemplateError(
            f"{document.path} has no parameter {', '.join(unknown)};"
            f" it has {', '.join(sorted(declared)) or 'none'}."
        )
    return {
        name: _parameter_value(document, name, declaration, given.get(name))
        for name, declaration in declared.items()
    }


def imported(document: Document, given: Mapping[str, str]) -> dict[str, str]:
    """Those given values that no parameter takes, but that Fn::ImportValue may ask for."""
    if IMPORT not in json.dumps(document.content, default=str):
        return {}
    declared = document.content["Parameters"]
    return {name: value for name, value in given.items() if name not in declared}


def without_value(document: Document, given: Mapping[str, str]) -> tuple[str, ...]:
    """The parameters that have neither a given value nor a default."""
    declared: Mapping[str, Any] = document.content["Parameters"]
    return tuple(
        name
        for name, declaration in declared.items()
        if name not in given and "Default" not in declaration
    )


def _parameter_value(
    document: Document, name: str, declaration: Mapping[str, Any], given: str | None
) -> str | list[str]:
    type = declaration.get("Type", "String")
    value = given if given is not None else declaration.get("Default")
    if value is None and type == "Number":
        raise TemplateError(
            f"{document.path}: the parameter {name} has no default; give it a number"
            f" with --parameter {name}=… or in [tool.lampwork.parameters]."
        )
    text = "" if value is None else as_text(value)
    allowed = [as_text(each) for each in declaration.get("AllowedValues", [])]
    if value is not None and allowed and text not in allowed:
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
