"""Requests of integrations to AWS's services, as the embedded AWS takes them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-request-basic-setup.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from lampwork.front.http.rest.sources import Mapped
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.rest_methods import AWS_URI

Headers = list[tuple[str, str]]
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
# The services that take JSON, with what comes before an action's name in X-Amz-Target and the
# version in their Content-Type: botocore's models (a test compares them).
JSON_SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "events": ("AWSEvents", "1.1"),
    "firehose": ("Firehose_20150804", "1.1"),
    "kinesis": ("Kinesis_20131202", "1.1"),
    "logs": ("Logs_20140328", "1.1"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "ssm": ("AmazonSSM", "1.1"),
    "states": ("AWSStepFunctions", "1.0"),
}


@dataclass(slots=True)
class BackendRequest:
    """A request to an integration, once everything is mapped."""

    method: str
    uri: str
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Mapped] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((v for each, v in self.headers.items() if each.lower() == name.lower()), None)

    @property
    def query_string(self) -> str:
        return urlencode(self.query, doseq=True)


def service_request(request: BackendRequest) -> Request | None:
    """The request to the embedded AWS; None where the URI is no service's."""
    found = AWS_URI.fullmatch(request.uri)
    if found is None:
        return None
    region, service, way, rest = found.groups()
    service = service.rpartition(".")[2]
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in ("host", "accept", "authorization")
    }
    scope = f"lampwork/20260101/{region or 'us-east-1'}/{service}/aws4_request"
    headers |= {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "Host": "localhost",
    }
    method, target, body = request.method or "POST", "/", request.body
    if way == "path":
        target = f"/{quote(rest.lstrip('/'), safe='/%?&=:+@,')}"
        if query := request.query_string:
            target += ("&" if "?" in target else "?") + query
    elif service in JSON_SERVICES:
        method = "POST"
        _address_json(headers, service, rest)
    else:
        method, body = "POST", _form(request, rest)
        _set(headers, "Content-Type", FORM)
    return Request(method, target, list(headers.items()), body, ("", 0), False)


def service_answer(request: BackendRequest, answer: Response) -> tuple[Headers, bytes]:
    """The headers and the body of a service's answer.

    The services of the query protocol answer in JSON where the Accept header asks for it, which is
    the gateway's default: {"SendMessageResponse": …}. Recorded on AWS: localstack/localstack,
    test_apigateway_sqs.snapshot.json, test_sqs_request_and_response_xml_templates_integration.
    """
    wants_xml = "xml" in (request.header("accept") or "") or ":s3:" in request.uri
    if wants_xml or not answer.body.lstrip().startswith(b"<"):
        return answer.headers, answer.body
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 - the embedded AWS wrote it
    except ElementTree.ParseError:
        return answer.headers, answer.body
    document = {_local(root.tag): _value(root)}
    return [("Content-Type", JSON)], json.dumps(document).encode()


def _address_json(headers: dict[str, str], service: str, action: str) -> None:
    prefix, version = JSON_SERVICES[service]
    if all(name.lower() != "x-amz-target" for name in headers):
        headers["X-Amz-Target"] = f"{prefix}.{action}"
    given = next((v for name, v in headers.items() if name.lower() == "content-type"), JSON)
    if given.startswith(JSON):
        _set(headers, "Content-Type", f"application/x-amz-json-{version}")


def _form(request: BackendRequest, rest: str) -> bytes:
    """The parameters of an action: those of the URI, of the query string and of a form."""
    action, *parameters = rest.split("&")
    written = [urlencode({"Action": action}), *parameters, request.query_string]
    if (request.header("content-type") or "").startswith(FORM):
        written.append(request.body.decode("utf-8", "replace"))
    return "&".join(filter(None, written)).encode()


def _set(headers: dict[str, str], name: str, value: str) -> None:
    for each in [each for each in headers if each.lower() == name.lower()]:
        del headers[each]
    headers[name] = value


def _value(element: ElementTree.Element) -> Any:
    if not len(element):
        return element.text
    values: dict[str, Any] = {}
    for child in element:
        name, value = _local(child.tag), _value(child)
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
