"""The operations of Lambda's API besides Invoke: event source mappings, and what functions there
are. https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
"""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import ACCOUNT_ID, Function
from lampwork.triggers.made_mappings import Document, MadeMappings, Refused, described

MAPPINGS: Final = re.compile(r"/2015-03-31/event-source-mappings/?([^/]*)/?")
FUNCTIONS: Final = re.compile(r"/2015-03-31/functions/?([^/]*)(/configuration)?/?")
# Functions have no such time here.
NEVER: Final = "1970-01-01T00:00:00.000+0000"


class LambdaOperations:
    """Answers those operations. Without `mappings`, there are none to read or to change."""

    def __init__(self, mappings: MadeMappings | None) -> None:
        self._mappings = mappings

    async def serve(self, request: Request, functions: Mapping[str, Function]) -> Response | None:
        """The answer; None if the operation is not one of these."""
        try:
            if self._mappings is not None and (found := MAPPINGS.fullmatch(request.path)):
                return await self._mapping(request, self._mappings, unquote(found[1]))
            if request.method == "GET" and (found := FUNCTIONS.fullmatch(request.path)):
                return _functions(functions, unquote(found[1]), whole=found[2] is None)
        except Refused as error:
            return _error(error)
        except ValueError as error:
            return _error(Refused(f"Could not parse request body into json: {error}"))
        return None

    async def _mapping(
        self, request: Request, mappings: MadeMappings, number: str
    ) -> Response | None:
        match request.method, number:
            case "POST", "":
                return _answer(202, described(await mappings.create(_body(request)), "Creating"))
            case "GET", "":
                query = dict(parse_qsl(request.query))
                found = mappings.list(query.get("EventSourceArn"), query.get("FunctionName"))
                return _answer(200, {"EventSourceMappings": [described(each) for each in found]})
            case "GET", _:
                return _answer(200, described(mappings.get(number)))
            case "PUT", _:
                changed = await mappings.change(number, _body(request))
                return _answer(202, described(changed, "Updating"))
            case "DELETE", _:
                return _answer(202, described(await mappings.delete(number), "Deleting"))
        return None


def _functions(functions: Mapping[str, Function], name: str, *, whole: bool) -> Response:
    if not name:
        return _answer(200, {"Functions": [_configuration(each) for each in functions.values()]})
    function = FunctionNames(functions).called(name)
    if function is None:
        region = next((each.region for each in functions.values()), "us-east-1")
        arn = f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"
        raise Refused(f"Function not found: {arn}", "ResourceNotFoundException")
    configuration = _configuration(function)
    return _answer(200, {"Configuration": configuration} if whole else configuration)


def _configuration(function: Function) -> Document:
    """https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html"""
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": function.runtime,
        "Role": f"arn:aws:iam::{ACCOUNT_ID}:role/lampwork",
        "Handler": function.handler,
        "CodeSize": 0,
        "Description": "",
        "Timeout": int(function.timeout_seconds),
        "MemorySize": function.memory_mb,
        "LastModified": NEVER,
        "CodeSha256": "",
        "Version": "$LATEST",
        "Environment": {"Variables": dict(function.environment)},
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "LoggingConfig": {
            "LogFormat": "JSON" if function.log_config.json else "Text",
            "LogGroup": function.log_group,
        },
    }


def _body(request: Request) -> Any:
    body = json.loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise ValueError("it is not an object")
    return body


def _answer(status: int, content: Any) -> Response:
    headers = [("x-amzn-requestid", str(uuid.uuid4())), ("content-type", "application/json")]
    return Response(status, headers, json.dumps(content).encode())


def _error(error: Refused) -> Response:
    answer = _answer(error.status, {"Type": "User", "message": str(error)})
    answer.headers.append(("x-amzn-ErrorType", error.code))
    return answer
