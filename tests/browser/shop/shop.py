"""A shop whose functions say what they were given."""

import json
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seen = {"path": event.get("rawPath"), "body": event.get("body")}
    return {"statusCode": 200, "body": json.dumps(seen)}


def ship(event: dict[str, Any], context: Any) -> None:
    raise ValueError("no ship today")


def live(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"statusCode": 200}
