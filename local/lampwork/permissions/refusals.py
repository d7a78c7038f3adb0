"""How services of AWS say that a caller may not do something.

The texts are those that AWS's services have given to callers:
https://github.com/aws/serverless-application-model/issues/3633 (SQS)
https://github.com/aws-ia/terraform-aws-control_tower_account_factory/issues/151 (SNS)
https://github.com/aws/aws-sdk-php/issues/1292 (DynamoDB, with its body)
https://github.com/aws-ia/terraform-aws-bedrock/issues/41 (S3)
https://github.com/aws/aws-cdk/issues/18410 (@connections)
"""

import json
import uuid
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lampwork.permissions.requests.asked import Call
from lampwork.permissions.requests.need import Need
from lampwork.stack.model import ACCOUNT_ID

DENIED: Final = "AccessDeniedException"
CBOR: Final = "application/cbor"


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(call: Call, need: Need, function: str, *, explicit: bool = False) -> Refusal:
    """The answer to a call of the function with this name, in the protocol of the call; it is
    `explicit` if a statement denies the action, and not just none allows it."""
    service = need.action.partition(":")[0]
    action = _as_named_by(service, need.action)
    message = _message(service, action, need.resource or "*", function, explicit=explicit)
    content_type = call.headers.get("content-type", "")
    if service == "s3":
        return _of_s3(message, head=call.method == "HEAD")
    if "x-amz-target" in call.headers:
        return _of_json(service, message, content_type)
    if "cbor" in content_type or "cbor" in call.headers.get("smithy-protocol", ""):
        return _of_cbor(message)
    if content_type.startswith("application/x-www-form-urlencoded") or "Action=" in call.query:
        return _of_query(service, message)
    headers = (("content-type", "application/json"), ("x-amzn-ErrorType", DENIED))
    return Refusal(403, headers, json.dumps({"Message": message}).encode())


def _as_named_by(service: str, action: str) -> str:
    if service == "sqs":
        return action.lower()
    return action.replace("sns:", "SNS:") if service == "sns" else action


def _message(service: str, action: str, resource: str, function: str, *, explicit: bool) -> str:
    user = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{function}-role/{function}"
    named = f'"{resource}"' if service == "s3" else resource
    said = f"User: {user} is not authorized to perform: {action} on resource: {named}"
    if service == "execute-api":
        return said
    if explicit:
        return f"{said} with an explicit deny in an identity-based policy"
    return f"{said} because no identity-based policy allows the {action} action"


def _of_s3(message: str, *, head: bool) -> Refusal:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
        f"<Message>{escape(message)}</Message><RequestId>{_request_id()}</RequestId></Error>"
    )
    return Refusal(403, (("content-type", "application/xml"),), b"" if head else body.encode())


def _of_json(service: str, message: str, content_type: str) -> Refusal:
    body = {"__type": f"com.amazon.coral.service#{DENIED}", "Message": message}
    headers = [("content-type", content_type or "application/x-amz-json-1.0")]
    if service == "sqs":  # as its older protocol calls it, which clients go on calling it by:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
        headers.append(("x-amzn-query-error", "AccessDenied;Sender"))
    return Refusal(403 if service == "sqs" else 400, tuple(headers), json.dumps(body).encode())


def _of_query(service: str, message: str) -> Refusal:
    code = "AuthorizationError" if service == "sns" else "AccessDenied"
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error>"
        f"<RequestId>{_request_id()}</RequestId></ErrorResponse>"
    )
    return Refusal(403, (("content-type", "text/xml"),), body.encode())


def _of_cbor(message: str) -> Refusal:
    """https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html"""
    texts = ("__type", f"com.amazon.coral.service#{DENIED}", "message", message)
    body = b"\xa2" + b"".join(map(_cbor_text, texts))  # a map of two pairs
    return Refusal(403, (("content-type", CBOR), ("smithy-protocol", "rpc-v2-cbor")), body)


def _cbor_text(text: str) -> bytes:
    """A text with its length in 2 bytes: https://www.rfc-editor.org/rfc/rfc8949#section-3.1"""
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2) + encoded


def _request_id() -> str:
    return str(uuid.uuid4())
