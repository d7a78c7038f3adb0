"""Events of gateways as HTTP requests to a function's own program, and its responses as answers.

https://awslabs.github.io/aws-lambda-web-adapter/features/request-context.html
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

# What a response's content type must begin or end with for its body to be text.
_TEXT_PREFIXES: Final = ("text", "application/json", "application/javascript", "application/xml")
_TEXT_SUFFIXES: Final = ("+xml", "+json")

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class WebRequest:
    method: str
    target: str  # the path with its query
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class WebResponse:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


def is_of_gateway(event: Any) -> bool:
    """Whether an event is a request that an API, a function URL or a load balancer passed on."""
    return isinstance(event, Mapping) and (
        "httpMethod" in event or "http" in (event.get("requestContext") or {})
    )


def request_of(event: Mapping[str, Any], base_path: str | None) -> WebRequest:
    """The request that an event of a gateway describes, in either payload format."""
    context = event["requestContext"]
    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    if "http" in context:
        method, path = context["http"]["method"], event["rawPath"]
        query = event.get("rawQueryString", "")
        headers = list((event.get("headers") or {}).items())
        if cookies := event.get("cookies"):
            headers.append(("cookie", "; ".join(cookies)))
    else:
        method, path = event["httpMethod"], event["path"]
        query = urlencode(_multiple(event, "QueryStringParameters", "queryStringParameters"))
        headers = _multiple(event, "Headers", "headers")
    path = _without(base_path, path)
    headers.append(("x-amzn-request-context", json.dumps(context, separators=(",", ":"))))
    return WebRequest(method, f"{path}?{query}" if query else path, headers, content)


def answer_of(event: Mapping[str, Any], response: WebResponse) -> dict[str, Any]:
    """The answer to a gateway's event, in the event's payload format."""
    headers = [each for each in response.headers if each[0].lower() != "transfer-encoding"]
    is_text = _is_text(response)
    answer: dict[str, Any] = {
        "statusCode": response.status,
        "body": (
            response.body.decode(errors="replace")
            if is_text
            else base64.b64encode(response.body).decode()
        ),
        "isBase64Encoded": not is_text,
    }
    if "http" in event["requestContext"]:
        answer["cookies"] = [value for name, value in headers if name.lower() == "set-cookie"]
        answer["headers"] = _joined(each for each in headers if each[0].lower() != "set-cookie")
    else:
        multiple: dict[str, list[str]] = {}
        for name, value in headers:
            multiple.setdefault(name.lower(), []).append(value)
        answer["multiValueHeaders"] = multiple
    return answer


def prelude_of(status: int, headers: Headers) -> bytes:
    """The head of a streamed answer, as JSON. A header that comes twice has a list of values."""
    kept = [each for each in headers if each[0].lower() not in ("transfer-encoding", "connection")]
    values: dict[str, list[str]] = {}
    for name, value in kept:
        values.setdefault(name.lower(), []).append(value)
    cookies = values.pop("set-cookie", [])
    prelude = {
        "statusCode": status,
        "headers": {name: each[0] for name, each in values.items() if len(each) == 1},
        "multiValueHeaders": {name: each for name, each in values.items() if len(each) > 1},
        "cookies": cookies,
    }
    return json.dumps({name: value for name, value in prelude.items() if value}).encode()


def _multiple(event: Mapping[str, Any], many: str, single: str) -> Headers:
    values = event.get(f"multiValue{many}")
    if values is None:
        return list((event.get(single) or {}).items())
    return [(name, value) for name, each in values.items() for value in each]


def _without(base_path: str | None, path: str) -> str:
    """The path without one base path, which ends where a segment ends."""
    base = (base_path or "").rstrip("/")
    if base and (path == base or path.startswith(f"{base}/")):
        return path.removeprefix(base) or "/"
    return path


def _is_text(response: WebResponse) -> bool:
    if response.header("content-encoding"):
        return False
    kind = response.header("content-type")
    if kind is None:
        return True
    essence = kind.partition(";")[0].strip()
    return (
        essence.startswith(_TEXT_PREFIXES)
        or essence.endswith(_TEXT_SUFFIXES)
        or "charset=" in kind.lower()
    )


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined
