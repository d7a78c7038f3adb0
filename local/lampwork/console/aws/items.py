"""Items of DynamoDB as JSON, as AWS's own API writes them: {"id": {"S": "7"}}."""

import base64
import json
from typing import Any

from lampwork.console.asking import Refused, json_of

Item = dict[str, Any]


def as_json(item: Item, *, indent: int | None = 2) -> str:
    """An item or a key in JSON; bytes are in base64, as on the wire. In one line, it is ASCII."""
    return json.dumps(item, indent=indent, ensure_ascii=indent is None, default=_base64)


def of_json(text: str, what: str) -> Item:
    """
    Raises:
        Refused: it is not JSON, not an object, or holds bytes that are not base64.
    """
    item = json_of(text, what)
    if not isinstance(item, dict):
        raise Refused(f"{what} is no object.")
    try:
        return {name: _with_bytes(value) for name, value in item.items()}
    except RecursionError as error:
        raise Refused(f"{what} is too deep.") from error
    except (TypeError, ValueError) as error:
        raise Refused(f"{what} holds bytes that are not in base64: {error}") from error


def short(value: Any) -> str:
    """An attribute's value as people read it, cut where it is long."""
    return _plain(value)[:80]


def _plain(value: Any) -> str:
    match value:
        case {"S": str(text)} | {"N": str(text)}:
            return text
        case {"BOOL": bool(truth)}:
            return str(truth).lower()
        case {"NULL": _}:
            return "null"
        case {"M": dict(members)}:
            inner = ", ".join(f"{name}: {_plain(each)}" for name, each in members.items())
            return f"{{{inner}}}"
        case {"L": list(members)}:
            return f"[{', '.join(map(_plain, members))}]"
    return json.dumps(value, ensure_ascii=False, default=_base64)


def _with_bytes(value: Any) -> Any:
    match value:
        case {"B": str(text)}:
            return {"B": base64.b64decode(text, validate=True)}
        case {"BS": list(texts)}:
            return {"BS": [base64.b64decode(each, validate=True) for each in texts]}
        case {"M": dict(members)}:
            return {"M": {name: _with_bytes(each) for name, each in members.items()}}
        case {"L": list(members)}:
            return {"L": [_with_bytes(each) for each in members]}
    return value


def _base64(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no part of an item")
