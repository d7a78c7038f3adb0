"""What CloudFormation says of the stacks that are served. It changes none of them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from lampwork.front.aws_services import signed_for
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.model import DeployedStack, StackResource

NAMESPACE: Final = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
COMPLETE: Final = "CREATE_COMPLETE"

Asked = Mapping[str, str]
Fields = Mapping[str, Any]
"""The content of an element of the answer: a list becomes its `member` elements."""


class CloudFormationApi:
    """Answers questions about the stacks. All other requests are for moto, which knows the stacks
    that programs make there."""

    def __init__(self, stacks: Sequence[DeployedStack]) -> None:
        self._since = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._operations: Mapping[str, Callable[[Asked], Fields | None]] = {
            "DescribeStacks": self._describe_stacks,
            "ListStacks": self._list_stacks,
            "ListStackResources": self._list_resources,
            "DescribeStackResources": self._describe_resources,
            "DescribeStackResource": self._describe_resource,
            "ListExports": self._list_exports,
        }
        self.update(stacks)

    def update(self, stacks: Sequence[DeployedStack]) -> None:
        self._stacks = stacks

    def answer(self, request: Request) -> Response | None:
        """The answer to a question about one of the stacks; None for any other request."""
        if signed_for(request) != "cloudformation":
            return None
        text = request.body.decode("utf-8", "replace") or request.query
        asked = dict(parse_qsl(text, keep_blank_values=True))
        action = asked.get("Action", "")
        operation = self._operations.get(action)
        found = operation(asked) if operation else None
        return None if found is None else _response(action, found)

    def _named(self, asked: Asked) -> DeployedStack | None:
        """The stack with this name or ARN."""
        if not (name := asked.get("StackName")):
            return None
        named = (each for each in self._stacks if name in (each.name, each.id, each.also))
        return next(named, None)

    def _describe_stacks(self, asked: Asked) -> Fields | None:
        if "StackName" not in asked:
            return {"Stacks": [self._described(each) for each in self._stacks]}
        stack = self._named(asked)
        return {"Stacks": [self._described(stack)]} if stack else None

    def _described(self, stack: DeployedStack) -> Fields:
        return {
            "StackId": stack.id,
            "StackName": stack.name,
            **({"Description": stack.description} if stack.description else {}),
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in stack.parameters.items()
            ],
            "CreationTime": self._since,
            "DisableRollback": "false",
            "StackStatus": COMPLETE,
            "Capabilities": ["CAPABILITY_IAM"],
            "Outputs": [
                {
                    "OutputKey": each.name,
                    "OutputValue": each.value,
                    **({"Description": each.description} if each.description else {}),
                    **({"ExportName": each.export} if each.export else {}),
                }
                for each in stack.outputs
            ],
            "Tags": [],
        }

    def _list_stacks(self, asked: Asked) -> Fields:
        return {
            "StackSummaries": [
                {
                    "StackId": each.id,
                    "StackName": each.name,
                    "CreationTime": self._since,
                    "StackStatus": COMPLETE,
                }
                for each in self._stacks
            ]
        }

    def _list_resources(self, asked: Asked) -> Fields | None:
        stack = self._named(asked)
        if stack is None:
            return None
        return {
            "StackResourceSummaries": [
                {**_resource(each), "LastUpdatedTimestamp": self._since} for each in stack.resources
            ]
        }

    def _describe_resources(self, asked: Asked) -> Fields | None:
        physical_id = asked.get("PhysicalResourceId")
        stack = self._named(asked) or next(
            (
                each
                for each in self._stacks
                if any(resource.physical_id == physical_id for resource in each.resources)
            ),
            None,
        )
        if stack is None:
            return None
        wanted = asked.get("LogicalResourceId")
        return {
            "StackResources": [
                {**_of_stack(stack), **_resource(each), "Timestamp": self._since}
                for each in stack.resources
                if wanted in (None, each.logical_id)
            ]
        }

    def _describe_resource(self, asked: Asked) -> Fields | None:
        stack = self._named(asked)
        wanted = asked.get("LogicalResourceId")
        found = (each for each in (stack.resources if stack else ()) if each.logical_id == wanted)
        resource = next(found, None)
        if stack is None or resource is None:
            return None
        detail = {**_of_stack(stack), **_resource(resource), "LastUpdatedTimestamp": self._since}
        return {"StackResourceDetail": detail}

    def _list_exports(self, asked: Asked) -> Fields:
        return {
            "Exports": [
                {"ExportingStackId": stack.id, "Name": each.export, "Value": each.value}
                for stack in self._stacks
                for each in stack.outputs
                if each.export
            ]
        }


def _of_stack(stack: DeployedStack) -> Fields:
    return {"StackName": stack.name, "StackId": stack.id}


def _resource(resource: StackResource) -> Fields:
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceStatus": COMPLETE,
    }


def _response(action: str, result: Fields) -> Response:
    request_id = str(uuid.uuid4())
    body = (
        f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{_elements(result)}'
        f"</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId>"
        f"</ResponseMetadata></{action}Response>"
    )
    headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
    return Response(200, headers, body.encode())


def _elements(fields: Fields) -> str:
    return "".join(f"<{name}>{_content(value)}</{name}>" for name, value in fields.items())


def _content(value: Any) -> str:
    if isinstance(value, Mapping):
        return _elements(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "".join(f"<member>{_content(each)}</member>" for each in value)
    return escape(str(value))
