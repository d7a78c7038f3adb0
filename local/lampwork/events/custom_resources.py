"""What CloudFormation asks the function of a custom resource, and what the function answers.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lampwork.stack.model import CustomResource


@dataclass(frozen=True, slots=True)
class Answer:
    """A custom resource that has been made: its physical id and its attributes."""

    physical_id: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Failed(Exception):
    """The function did not make it; the message says why."""


def request(
    kind: str,
    resource: CustomResource,
    response_url: str,
    *,
    properties: Mapping[str, Any],
    physical_id: str | None = None,
    old_properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`kind` is Create, Update or Delete. Only an Update has `old_properties`, and only a Create
    has no `physical_id`."""
    event: dict[str, Any] = {
        "RequestType": kind,
        "ServiceToken": properties["ServiceToken"],
        "ResponseURL": response_url,
        "StackId": resource.stack_id,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": resource.local_id,
        "ResourceType": resource.type,
        "ResourceProperties": dict(properties),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_properties is not None:
        event["OldResourceProperties"] = dict(old_properties)
    return event


def answer(body: bytes) -> Answer:
    """
    Raises:
        Failed: it says that it failed, or it has no form that CloudFormation takes.
    """
    try:
        given = json.loads(body)
    except ValueError as error:
        raise Failed("the answer is not JSON") from error
    if not isinstance(given, dict) or given.get("Status") not in ("SUCCESS", "FAILED"):
        raise Failed("the Status of the answer is neither SUCCESS nor FAILED")
    if given["Status"] == "FAILED":
        raise Failed(str(given.get("Reason") or "the function gave no Reason"))
    physical_id, data = given.get("PhysicalResourceId"), given.get("Data") or {}
    if not isinstance(physical_id, str) or not physical_id:
        raise Failed("the answer has no PhysicalResourceId")
    if not isinstance(data, dict):
        raise Failed("the Data of the answer is no object")
    return Answer(physical_id, data)
