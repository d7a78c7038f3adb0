"""Calls AWS services for the routes of HTTP APIs that lead to one.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from lampwork.front.http.rest.services import JSON_SERVICES
from lampwork.http.request import Request
from lampwork.json_text import parsed
from lampwork.stack.service_integrations import ServiceIntegration
from lampwork.vtl import json_path

# A source alone, and one within a text.
SOURCE: Final = re.compile(r"\$(request|response|context|stageVariables)\b[^\s}]*")
WITHIN: Final = re.compile(r"\$\{((?:request|response|context|stageVariables)\b[^}]*)\}")
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
IN_EVENT: Final = {
    "httpMethod": "http.method",
    "identity.sourceIp": "http.sourceIp",
    "identity.userAgent": "http.userAgent",
    "path": "http.path",
    "protocol": "http.protocol",
    "requestTime": "time",
    "requestTimeEpoch": "timeEpoch",
}
NUMBERS: Final = frozenset(
    {"DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"}
)
IN_JSON: Final = frozenset({"MessageAttributes", "MessageSystemAttributes", "AttributeNames"})
# What comes before an operation's name, and the version of the protocol.
TARGETS: Final = {**JSON_SERVICES, "sqs": ("AmazonSQS", "1.0")}


def service_call(integration: ServiceIntegration, event: Mapping[str, Any]) -> Request:
    """The request to the embedded AWS for a client's request, which `event` tells as payload
    format 2.0 does. A parameter whose source the request does not have is left out.
    """
    values = {
        name: value
        for name, source in integration.parameters.items()
        if (value := value_of(source, event)) is not None
    }
    prefix, version = TARGETS[integration.service]
    scope = f"lampwork/20260101/{integration.region}/{integration.service}/aws4_request"
    headers = [
        ("Host", "localhost"),
        ("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        ("Content-Type", f"application/x-amz-json-{version}"),
        ("X-Amz-Target", f"{prefix}.{integration.operation}"),
    ]
    body = json.dumps(_arguments(integration, values)).encode()
    return Request("POST", "/", headers, body, ("", 0), False)


def _arguments(integration: ServiceIntegration, values: dict[str, str]) -> dict[str, Any]:
    match integration.service:
        case "states":
            return {name[0].lower() + name[1:]: value for name, value in values.items()}
        case "events":
            entry: dict[str, Any] = dict(values)
            if "Resources" in entry:
                entry["Resources"] = _listed(values["Resources"])
            return {"Entries": [entry]}
        case "kinesis":
            return values | {"Data": base64.b64encode(values["Data"].encode()).decode()}
    return {name: _typed(name, value) for name, value in values.items()}


def _typed(name: str, value: str) -> Any:
    if name in NUMBERS and value.isdigit():
        return int(value)
    if name in IN_JSON:
        return _json(value)
    return value


def _listed(value: str) -> list[Any]:
    found = _json(value)
    return found if isinstance(found, list) else [value]


def _json(value: str) -> Any:
    try:
        return parsed(value)
    except ValueError:
        return value


def value_of(source: str, event: Mapping[str, Any]) -> str | None:
    """What a source stands for in a request, or a text with sources in it. None if the request does
    not have what the source names. An integration's answer is the event's `response`, if any."""
    if SOURCE.fullmatch(source):
        return _text(_found(source[1:], event))
    return WITHIN.sub(lambda found: _text(_found(found[1], event)) or "", source)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _found(source: str, event: Mapping[str, Any]) -> Any:
    """What request.body.NAME, context.NAME and the like name; None if there is none."""
    place, _, rest = source.partition(".")
    if place == "context":
        return _in_context(event["requestContext"], rest)
    if place == "stageVariables":
        return event.get("stageVariables", {}).get(rest)
    part, _, name = rest.partition(".")
    if place == "response":
        answer = event.get("response", {})
        found = answer.get("headers", {}).get(name.lower())
        return _in_body(answer.get("body", ""), name) if part == "body" else found
    match part:
        case "body":
            return _in_body(_body(event), name)
        case "header":
            return event["headers"].get(name.lower())
        case "querystring":
            return event.get("queryStringParameters", {}).get(name)
        case "path":
            return event.get("pathParameters", {}).get(name) if name else _path(event)
    return None


def _path(event: Mapping[str, Any]) -> str:
    """The path without its stage."""
    path: str = event["rawPath"]
    return path.removeprefix(f"/{event['requestContext']['stage']}") or "/"


def _in_context(context: Mapping[str, Any], name: str) -> Any:
    """A context variable. Those of an authorizer are not below its form, as in the event."""
    authorizer = context.get("authorizer", {})
    if name.startswith("authorizer.claims."):
        return _at(authorizer.get("jwt", {}).get("claims"), name.removeprefix("authorizer.claims."))
    if name.startswith("authorizer."):
        return _at(authorizer.get("lambda"), name.removeprefix("authorizer."))
    return _at(context, IN_EVENT.get(name, name))


def _body(event: Mapping[str, Any]) -> str:
    body: str = event.get("body") or ""
    return base64.b64decode(body).decode("utf-8", "replace") if event["isBase64Encoded"] else body


def _in_body(body: str, name: str) -> Any:
    if not name:
        return body
    try:
        return json_path.find(parsed(body), f"$.{name}")
    except (ValueError, json_path.PathError):
        return None


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
