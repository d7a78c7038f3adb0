"""Converts a template's values to the types that AWS's APIs require.

CloudFormation also accepts a text for a number, because parameters are texts ("5"), and a number
for a text.
"""

from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape


def fitted(params: dict[str, Any], model: OperationModel, **_: object) -> dict[str, Any]:
    """The parameters of a call, with the types that its API requires.

    This is a handler of botocore's event `provide-client-params`.
    """
    shape = model.input_shape
    return params if shape is None else _fit(params, shape)


def _fit(value: Any, shape: Shape) -> Any:
    match shape, value:
        case StructureShape(members=members), dict():
            return {
                name: _fit(each, members[name]) if name in members else each
                for name, each in value.items()
            }
        case ListShape(member=member), list():
            return [_fit(each, member) for each in value]
        case MapShape(value=kind), dict():
            return {name: _fit(each, kind) for name, each in value.items()}
    match shape.type_name, value:
        case "integer" | "long", str() if value.removeprefix("-").isdecimal():
            return int(value)
        case "boolean", "true" | "false":
            return value == "true"
        case "string", bool():
            return str(value).lower()
        case "string", int() | float():
            return str(value)
    return value
