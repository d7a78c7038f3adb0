"""API keys for tests."""

from typing import Any

from tests.catalogue.gateway import request
from tests.http import Answer

EVERYTHING = ["tasks:read", "tasks:write", "account:read"]


def make_key(session: Answer, *scopes: str, **members: Any) -> Answer:
    """Ask for a key, of every scope unless some are named."""
    body = {"name": "A program", "scopes": list(scopes) or EVERYTHING, **members}
    return request("POST", "/auth/api-keys", token=session.json["access_token"], json_body=body)


def revoke_key(session: Answer, key_id: str) -> Answer:
    return request("DELETE", f"/auth/api-keys/{key_id}", token=session.json["access_token"])


def keys_of(session: Answer) -> list[Any]:
    listed = request("GET", "/auth/api-keys", token=session.json["access_token"])
    items: list[Any] = listed.json["items"]
    return items
