"""Parameter mapping: where the parameters of an integration's request and of the client's response
come from.

https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from lampwork.front.http.rest_errors import BAD_JSON, CONFIGURATION, RestError
from lampwork.json_text import parsed
from lampwork.vtl import json_path
from lampwork.vtl.java import ContextMap, as_text

Mapped = str | list[str]
JSON_STARTS: Final = ("{", "[", '"', "'")


class Refused(Exception):
    """A request that the gateway answers itself; `reason` is for the log."""

    def __init__(self, error: RestError, reason: str = "") -> None:
        super().__init__(reason or error.message)
        self.error = error


@dataclass(slots=True)
class MethodRequest:
    """What the client sent, as mappings see it. `event` is that of a proxy integration; `context`
    is `$context`, in which templates set overrides."""

    event: Mapping[str, Any]
    body: str
    context: dict[str, Any]
    parameters: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, event: Mapping[str, Any], body: str) -> "MethodRequest":
        context = {name: _context(value) for name, value in event["requestContext"].items()}
        context["requestOverride"] = ContextMap(
            header=ContextMap(), path=ContextMap(), querystring=ContextMap()
        )
        context["responseOverride"] = ContextMap(header=ContextMap())
        # Integrations other than a function's proxy get them decoded: see
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
        path = {name: unquote(value) for name, value in (event["pathParameters"] or {}).items()}
        return cls(
            event,
            body,
            context,
            {
                "path": path,
                "querystring": event["queryStringParameters"] or {},
                "header": event["headers"] or {},
            },
        )

    @property
    def stage_variables(self) -> Mapping[str, str]:
        return self.event["stageVariables"] or {}

    def mapped(self, source: str) -> Mapped | None:
        """What a source of an integration's request leads to; None where there is nothing.

        Raises:
            Refused: it reads the body, which is not JSON.
        """
        if not source.startswith("method.request."):
            return self.shared(source)
        place, _, name = source.removeprefix("method.request.").partition(".")
        match place:
            case "body":
                return from_body(self.body or "{}", name)
            case "path" | "querystring" | "header":
                return self.parameters[place].get(name) or self._header(place, name)
            case "multivaluequerystring":
                values = (self.event["multiValueQueryStringParameters"] or {}).get(name)
                return values if values is None or len(values) > 1 else values[0]
            case "multivalueheader":
                return ",".join((self.event["multiValueHeaders"] or {}).get(name, ())) or None
            case _:
                return None

    def _header(self, place: str, name: str) -> str | None:
        """A header that the client wrote in another case."""
        if place != "header":
            return None
        headers = self.parameters[place].items()
        return next((value for each, value in headers if each.lower() == name.lower()), None)

    def shared(self, source: str) -> str | None:
        """What a source leads to that requests and responses share: a text in quotes, $context or
        a stage variable."""
        if source.startswith("'") and source.endswith("'") and len(source) > 1:
            return source[1:-1]
        kind, _, name = source.partition(".")
        if kind == "context":
            value = json_path.find(self.context, f"$.{name}")
            return None if value is None or isinstance(value, dict) else as_text(value)
        return self.stage_variables.get(name) if kind == "stageVariables" else None


def response_header(
    source: str, request: MethodRequest, headers: Sequence[tuple[str, str]], body: str
) -> str | None:
    """What a source of a header of the client's response leads to."""
    if not source.startswith("integration.response."):
        return request.shared(source)
    place, _, name = source.removeprefix("integration.response.").partition(".")
    values = [value for each, value in headers if each.lower() == name.lower()]
    match place:
        case "header":
            return values[-1] if values else None
        case "multivalueheader":
            return ",".join(values) or None
        case "body":
            try:
                found = from_body(body or "{}", name)
            except Refused as refused:
                raise Refused(CONFIGURATION, "the integration's answer is not JSON") from refused
            return found if isinstance(found, str) else None
        case _:
            return None


def from_body(body: str, path: str) -> str | None:
    """The body, or what a JSONPath in it leads to. Only what begins like JSON is read as JSON."""
    body = body.strip()
    if not path:
        return body
    document: Any = {}
    if body.startswith(JSON_STARTS):
        try:
            document = parsed(body)
        except ValueError as error:
            raise Refused(BAD_JSON, "the body is not JSON") from error
    try:
        found = json_path.find(document, f"$.{path}")
    except json_path.PathError as error:
        raise Refused(CONFIGURATION, str(error)) from error
    if found is None or isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _context(value: Any) -> Any:
    return ContextMap(value) if isinstance(value, dict) else value
