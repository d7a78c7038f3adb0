from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from lampwork.http.request import Request
from lampwork.stack.authorization import IdentitySource


def identity(
    sources: Iterable[IdentitySource],
    request: Request,
    query: str,
    stage_variables: Mapping[str, str],
    context: Mapping[str, object],
) -> tuple[str, ...] | None:
    """The values of the identity sources, in the order of `sources`.

    None if the request lacks a value for any of them. An empty value counts as missing.
    """
    values: list[str] = []
    for source in sources:
        match source.place:
            case "header":
                value = request.header(source.name)
            case "querystring":
                value = dict(parse_qsl(query, keep_blank_values=True)).get(source.name)
            case "stageVariables":
                value = stage_variables.get(source.name)
            case "context":
                value = _found(context, source.name)
        if not value:
            return None
        values.append(value)
    return tuple(values)


def _found(context: Mapping[str, object], path: str) -> str | None:
    value: object = context
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else str(value)
