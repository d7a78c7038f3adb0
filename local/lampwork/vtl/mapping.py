"""What API Gateway gives to mapping templates: $input, $util, $context and $stageVariables.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from lampwork.json_text import parsed
from lampwork.vtl import json_path
from lampwork.vtl.java import TemplateFailure, as_json, as_text, from_json
from lampwork.vtl.nodes import Block
from lampwork.vtl.parser import parse
from lampwork.vtl.renderer import render
from lampwork.vtl.scanner import TemplateSyntaxError

PLACES: Final = ("path", "querystring", "header")
ESCAPES: Final = {
    **{"\\": "\\\\", "'": "\\'", '"': '\\"'},
    **{"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"},
}


def render_mapping(
    template: str,
    *,
    body: str,
    parameters: Mapping[str, Mapping[str, str]],
    context: dict[str, Any],
    stage_variables: Mapping[str, str],
) -> str:
    """The text of a mapping template. What it sets in `context` is kept there.

    `parameters` are those of the path, the query string and the headers, under the keys of
    `$input.params()`.

    Raises:
        TemplateFailure: it cannot be read or rendered; says why.
    """
    variables: dict[str, Any] = {
        "input": Input(body, parameters),
        "util": Util(),
        "context": context,
        "stageVariables": dict(stage_variables),
    }
    try:
        return render(_parsed(template.strip()), variables)
    except (TemplateSyntaxError, json_path.PathError) as error:
        raise TemplateFailure(str(error)) from error


@lru_cache(maxsize=512)
def _parsed(template: str) -> Block:
    return parse(template)


class Input:
    """$input"""

    def __init__(self, body: str, parameters: Mapping[str, Mapping[str, str]]) -> None:
        self._body = body
        self._parameters = {place: dict(parameters.get(place) or {}) for place in PLACES}
        self._read: list[Any] = []  # the body as JSON, once it is asked for

    def read_property(self, name: str) -> Any:
        # An empty body is {} (recorded: test_input_body_formatting).
        return self._body or "{}" if name == "body" else None

    def call_method(self, name: str, arguments: list[Any]) -> Any:
        match name, arguments:
            case "path", [path]:
                return from_json(self._find(as_text(path)))
            case "json", [path]:
                found = self._find(as_text(path))
                return as_json("" if found is None else found)
            case "params", []:
                return self._parameters
            case "params", [wanted]:
                return self._parameter(as_text(wanted))
            case _:
                return None

    def _find(self, path: str) -> Any:
        if not self._read:
            try:
                self._read.append(parsed(self._body) if self._body else None)
            except ValueError:
                self._read.append(None)
        return json_path.find(self._read[0], path)

    def _parameter(self, wanted: str) -> str:
        for place in PLACES:
            if (value := self._parameters[place].get(wanted)) is not None:
                return value
        headers = {name.lower(): value for name, value in self._parameters["header"].items()}
        return headers.get(wanted.lower(), "")


class Util:
    """$util"""

    def call_method(self, name: str, arguments: list[Any]) -> Any:
        function = FUNCTIONS.get(name)
        if function is None:
            raise TemplateFailure(f"$util.{name} is not a function of mapping templates")
        if len(arguments) != 1:
            raise TemplateFailure(f"$util.{name} takes one value")
        return function(arguments[0])


def _escape_java_script(value: Any) -> str:
    return "".join(
        ESCAPES.get(each) or (each if " " <= each <= "~" else _code_units(each))
        for each in as_text(value)
    )


def _code_units(character: str) -> str:
    encoded = character.encode("utf-16-be", "surrogatepass")
    units = (encoded[at : at + 2] for at in range(0, len(encoded), 2))
    return "".join(f"\\u{int.from_bytes(unit):04X}" for unit in units)


def _parse_json(value: Any) -> Any:
    try:
        return from_json(json.loads(as_text(value)))
    except (ValueError, RecursionError) as error:
        raise TemplateFailure(f"$util.parseJson got no JSON: {error}") from error


def _base64_decode(value: Any) -> str:
    try:
        return base64.b64decode(as_text(value), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise TemplateFailure("$util.base64Decode got no base64") from error


FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "escapeJavaScript": _escape_java_script,
    "parseJson": _parse_json,
    "urlEncode": lambda value: quote_plus(as_text(value)),
    "urlDecode": lambda value: unquote_plus(as_text(value)),
    "base64Encode": lambda value: base64.b64encode(as_text(value).encode()).decode(),
    "base64Decode": _base64_decode,
}
