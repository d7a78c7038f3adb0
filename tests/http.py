"""HTTP API events for handlers, and what handlers answer, in a form tests can read."""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from shared.errors import PROBLEM_MEDIA_TYPE
from tests.documented import check_documented


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> dict[str, str]:
        return {
            name: morsel.value
            for line in self.set_cookies
            for name, morsel in SimpleCookie(line).items()
        }


def http_event(
    method: str,
    path: str,
    *,
    json_body: Any = None,
    body: bytes | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    source_ip: str = "192.0.2.1",
    held_seconds: float = 0,
) -> dict[str, Any]:
    """An HTTP API event, payload format 2.0, for a `$default` stage, of a request that has been at
    the gateway for `held_seconds`."""
    split = urlsplit(path)
    raw_query = urlencode(query) if query else split.query
    sent = {"host": "localhost:8000", "x-forwarded-proto": "http", **(headers or {})}
    if json_body is not None:
        body = json.dumps(json_body).encode()
        sent.setdefault("content-type", "application/json")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": split.path,
        "rawQueryString": raw_query,
        "headers": {name.lower(): value for name, value in sent.items()},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc123defg",
            "domainName": "localhost:8000",
            "domainPrefix": "localhost",
            "http": {
                "method": method,
                "path": split.path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": "tests",
            },
            "requestId": "LV7fzho-PHcEJPw=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Apr/2026:15:08:21 +0000",
            "timeEpoch": int((time.time() - held_seconds) * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [f"{name}={value}" for name, value in cookies.items()]
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
        event["isBase64Encoded"] = True
    return event


def call(handler: Any, method: str, path: str, **request: Any) -> Answer:
    """Invoke a function as the gateway would; `request` as in `http_event`.

    A refusal must be one that the schema documents.
    """
    result = handler(http_event(method, path, **request), None)
    body = result.get("body", "")
    answer = Answer(
        status=result["statusCode"],
        headers={name.lower(): value for name, value in (result.get("headers") or {}).items()},
        body=base64.b64decode(body) if result.get("isBase64Encoded") else body.encode(),
        set_cookies=tuple(result.get("cookies") or ()),
    )
    if answer.headers.get("content-type") == PROBLEM_MEDIA_TYPE:
        check_documented(method, urlsplit(path).path, answer.status, answer.json)
    return answer
