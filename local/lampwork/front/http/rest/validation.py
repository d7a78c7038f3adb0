"""Request validation: the required parameters, and the body by its model.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from lampwork.front.http.rest_errors import BAD_BODY, BAD_PARAMETERS, RestError
from lampwork.http.request import Request
from lampwork.json_text import parsed
from lampwork.stack.rest_methods import RequestChecks

if TYPE_CHECKING:
    from jsonschema import Draft4Validator, ValidationError

JSON: Final = "application/json"
ANY: Final = "$default"
# How AWS's validator names JSON's kinds.
KINDS: Final[Mapping[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error, and what a template of a gateway response reads as its details."""

    error: RestError
    details: str


class RequestValidator:
    """Checks the requests of one route. The models are compiled once, when the template is read."""

    def __init__(self, checks: RequestChecks) -> None:
        self._required = checks.parameters
        self._models = {
            media_type.lower(): _compiled(schema) for media_type, schema in checks.models.items()
        }

    def refusal(self, request: Request, path: Mapping[str, str]) -> Refusal | None:
        """Why a request is refused; None for a good one. `path` are its path parameters."""
        if self._required and (missing := self._missing(request, path)):
            message = f"Missing required request parameters: [{', '.join(missing)}]"
            return Refusal(replace(BAD_PARAMETERS, message=message), message)
        if self._models and (problem := self._problem(request)):
            return Refusal(BAD_BODY, problem)
        return None

    def _missing(self, request: Request, path: Mapping[str, str]) -> list[str]:
        # Without blank values: a blank parameter is a missing one.
        query = parse_qs(request.query)
        present = {
            "header": lambda name: bool((request.header(name) or "").strip()),
            "path": lambda name: bool(path.get(name)),
            "querystring": lambda name: name in query,
        }
        return [name for place, name in self._required if not present[place](name)]

    def _problem(self, request: Request) -> str | None:
        """What is wrong with the body. A body of a type without a model is not looked at."""
        media_type = (request.header("content-type") or JSON).partition(";")[0].strip().lower()
        model = self._models.get(media_type) or self._models.get(ANY)
        if model is None:
            return None
        try:
            body = parsed(request.body or b"{}")
        except ValueError:
            return "[Unable to parse JSON document]"
        problems = [_words(error) for error in model.iter_errors(body)]
        return f"[{', '.join(problems)}]" if problems else None


def _compiled(schema: Mapping[str, Any]) -> "Draft4Validator":
    # Loaded only for templates that have models.
    from jsonschema import Draft4Validator

    return Draft4Validator(schema)


def _words(error: "ValidationError") -> str:
    """A problem in the words of AWS's validator, as far as they are known; else in our own."""
    match error.validator:
        case "required":
            names = [name for name in error.validator_value if name not in error.instance]
            return f"object has missing required properties ({_list(names)})"
        case "type":
            kind = KINDS.get(type(error.instance), "object")
            allowed = error.validator_value
            allowed = [allowed] if isinstance(allowed, str) else list(allowed)
            return (
                f"instance type ({kind}) does not match any allowed primitive type"
                f" (allowed: {_list(allowed)})"
            )
        case _:
            return str(error.message)


def _list(names: list[str]) -> str:
    return json.dumps(names, separators=(",", ":"))
