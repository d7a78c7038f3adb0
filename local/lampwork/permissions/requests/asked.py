"""Which actions of IAM a request to AWS needs, and on which resources.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from lampwork.json_text import parsed
from lampwork.permissions.requests import s3
from lampwork.permissions.requests.need import Need
from lampwork.permissions.requests.resources import arns
from lampwork.permissions.requests.rest_operations import rest_operation
from lampwork.stack.model import ACCOUNT_ID

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
CONNECTIONS: Final = re.compile(r"/([^/]+)/(?:@|%40)connections/([^/]+)")
# Known without botocore's model, whose loading would keep the emulator from other requests.
INVOCATION: Final = re.compile(
    r"/20\d\d-\d\d-\d\d/functions/([^/]+)/(?:response-streaming-)?invocations"
)
RPC: Final = re.compile(r"/service/[^/]+/operation/(\w+)")  # Smithy's RPC v2
# The prefix of a service's actions, where it is not the name that requests are signed for.
PREFIXES: Final = {"monitoring": "cloudwatch", "email": "ses"}
# The actions of operations that do not have their own.
ACTIONS: Final = {
    "bedrock:Converse": "bedrock:InvokeModel",
    "bedrock:ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "dynamodb:TransactGetItems": "dynamodb:GetItem",
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
# The actions of the parts of TransactWriteItems:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
WRITES: Final = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
# A call that IAM lets everybody make.
FREE: Final = frozenset(("sts:GetCallerIdentity", "sts:GetSessionToken"))


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a service of AWS. `headers` have names in lower case. Where it is for
    @connections, `api_id` is that of the API."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    api_id: str = ""

    @property
    def scope(self) -> tuple[str, str] | None:
        """The region and the service it is signed for."""
        signed = self.headers.get("authorization", "") or f"Credential={_credential(self.query)}"
        found = SCOPE.search(signed)
        return (found[1], found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Operation:
    """What a call asks for: the prefix of the service's actions, a name, and what it is given."""

    prefix: str
    region: str
    name: str
    given: Mapping[str, Any] = field(default_factory=dict)


def needs(call: Call) -> list[Need]:
    """Empty for what is not known, or needs no permission."""
    scope = call.scope
    if scope is None:
        return []
    region, service = scope
    if service == "s3":
        return list(s3.needs(call.method, call.path, call.query, call.headers, call.body))
    if service == "execute-api":
        return _of_connections(call, region)
    operation = _operation(call, PREFIXES.get(service, service), service, region)
    return list(dict.fromkeys(_needs(operation))) if operation else []


def _needs(operation: Operation) -> Iterator[Need]:
    own = f"{operation.prefix}:{operation.name}"
    if own in FREE:
        return
    if own == "dynamodb:TransactWriteItems":
        for item in operation.given.get("TransactItems", ()):
            for kind, part in item.items():
                for arn in arns("dynamodb", operation.region, part):
                    yield Need(f"dynamodb:{WRITES.get(kind, kind)}", arn)
        return
    for arn in arns(operation.prefix, operation.region, operation.given) or [""]:
        yield Need(ACTIONS.get(own, own), arn)


def _of_connections(call: Call, region: str) -> list[Need]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html"""
    found = CONNECTIONS.fullmatch(call.path)
    if found is None:
        return []
    stage, connection = map(unquote, found.groups())
    path = f"{call.api_id}/{stage}/{call.method}/@connections/{connection}"
    arn = f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{path}"
    return [Need("execute-api:ManageConnections", arn)]


def _operation(call: Call, prefix: str, service: str, region: str) -> Operation | None:
    if target := call.headers.get("x-amz-target"):
        return Operation(prefix, region, target.rpartition(".")[2], _json(call.body))
    if found := RPC.fullmatch(call.path):
        return Operation(prefix, region, found[1])
    form = call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    given = dict(parse_qsl(call.body.decode("utf-8", "replace") if form else call.query))
    if "Action" in given:
        return Operation(prefix, region, given["Action"], given)
    if service == "lambda" and (invoked := INVOCATION.fullmatch(call.path)):
        return Operation(prefix, region, "Invoke", {"FunctionName": unquote(invoked[1])})
    found_rest = rest_operation(service, call.method, call.path)
    if found_rest is None:
        return None
    name, in_path = found_rest
    given = {} if service == "lambda" else _json(call.body)  # there it is the function's event
    return Operation(prefix, region, name, {**given, **in_path})


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = parsed(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _credential(query: str) -> str:
    return dict(parse_qsl(query)).get("X-Amz-Credential", "")
