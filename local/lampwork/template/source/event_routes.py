"""Checks the routes of the events of functions. SAM accepts some that API Gateway refuses."""

import re
from collections.abc import Mapping
from typing import Final

from lampwork.template.source.document import Document

METHODS: Final = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})
ANY_METHOD: Final = "x-amazon-apigateway-any-method"
KNOWN_METHODS: Final = (*sorted(METHODS), "any", ANY_METHOD)
VARIABLE: Final = re.compile(r"\{[^{}/]+\}")
GREEDY: Final = re.compile(r"\{[^{}/]+\+\}(?!$)")


def check_routes(document: Document) -> None:
    """
    Raises:
        TemplateError: a path or a method is not possible; says in which line.
    """
    for logical_id, resource in document.resources.items():
        events = (resource.get("Properties") or {}).get("Events")
        for name, event in events.items() if isinstance(events, dict) else ():
            properties = event.get("Properties") if isinstance(event, dict) else None
            if isinstance(properties, dict) and (problem := _problem(properties)):
                raise document.error(
                    logical_id, f"in the event {name} of {logical_id} {problem}.", "Events"
                )


def _problem(properties: Mapping[str, object]) -> str | None:
    path, method = properties.get("Path"), properties.get("Method")
    if isinstance(method, str) and method.lower() not in KNOWN_METHODS:
        return f"the method {method!r} must be one of {', '.join(KNOWN_METHODS)}"
    if not isinstance(path, str) or path == "$default":
        return None
    if not path.startswith("/"):
        return f"the path {path!r} must begin with /"
    if set("{}") & set(VARIABLE.sub("", path)):
        return f"the path {path!r} has a brace too few or too many"
    if greedy := GREEDY.search(path):
        return f"the path {path!r} may have {greedy[0]} only at its end"
    return None
