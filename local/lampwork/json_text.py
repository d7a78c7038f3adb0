"""Texts from outside as JSON: clients' bodies, and what functions answer and print."""

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """
    Raises:
        ValueError: it is not JSON, or it is nested deeper than Python's own parser goes.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
