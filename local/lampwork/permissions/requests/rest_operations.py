"""Finds the operation of a request whose service tells its operations by method and path."""

import re
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

PARAMETER: Final = re.compile(r"\\\{(\w+)(\\\+)?\\\}")
# A service may be signed for by the name of another one.
ENDINGS: Final = ("", "-runtime", "v2")


def rest_operation(service: str, method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """The name of the operation and the values in the path, by the models of botocore."""
    for verb, pattern, name in _patterns(service):
        if verb == method and (found := pattern.fullmatch(path)):
            values = {each: unquote(value) for each, value in found.groupdict().items()}
            return name, values
    return None


@cache
def _patterns(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import Loader

    loader = Loader()
    found = []
    for ending in ENDINGS:
        try:
            model: dict[str, Any] = loader.load_service_model(service + ending, "service-2")
        except UnknownServiceError:
            continue
        for name, operation in model["operations"].items():
            uri = str(operation["http"]["requestUri"]).partition("?")[0].rstrip("/") or "/"
            if uri != "/":
                pattern = PARAMETER.sub(
                    lambda each: f"(?P<{each[1]}>{'.+' if each[2] else '[^/]+'})", re.escape(uri)
                )
                found.append((operation["http"]["method"], re.compile(f"{pattern}/?"), name))
    return found
