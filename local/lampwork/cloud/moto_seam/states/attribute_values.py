from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

ATTRIBUTE_VALUE: Final = "AttributeValue"


def typed(value: Any, shape: Shape) -> Any:
    """Parameters of DynamoDB with the types of values that a definition writes without them: "a"
    for {"S": "a"}.

    AWS's own samples do so: aws-samples/step-functions-workflows-collection,
    quorum-with-parallel-pattern, puts an item with "id.$": "$$.Execution.Id" and reads it as S.
    """
    match shape, value:
        case StructureShape(name=name), str() if name == ATTRIBUTE_VALUE:
            return {"S": value}
        case StructureShape(name=name), bool() if name == ATTRIBUTE_VALUE:
            return {"BOOL": value}
        case StructureShape(name=name), int() | float() if name == ATTRIBUTE_VALUE:
            return {"N": str(value)}
        case StructureShape(members=members), dict():
            return {
                name: typed(each, members[name]) if name in members else each
                for name, each in value.items()
            }
        case ListShape(member=member), list():
            return [typed(each, member) for each in value]
        case MapShape(value=kind), dict():
            return {name: typed(each, kind) for name, each in value.items()}
    return value
