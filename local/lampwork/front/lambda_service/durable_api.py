"""Lambda's API of durable executions, which AWS's SDK for durable functions and boto3 call.

https://docs.aws.amazon.com/lambda/latest/api/API_CheckpointDurableExecution.html
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.json_text import parsed
from lampwork.stack.function_names import name_in
from lampwork.triggers.durable.executions import DurableFunctions
from lampwork.triggers.durable.history import without_data
from lampwork.triggers.durable.operations import (
    DurableExecution,
    InvalidCheckpoint,
    parted_callback_id,
)

PREFIX: Final = "/2025-12-01/"
EXECUTION: Final = re.compile(PREFIX + r"durable-executions/([^/]+)(?:/([a-z]+))?")
CALLBACK: Final = re.compile(PREFIX + r"durable-execution-callbacks/([^/]+)/([a-z]+)")
LARGEST_PAGE: Final = 1000
PAGE: Final = 100
BY_FUNCTION: Final = re.compile(PREFIX + r"functions/([^/]+)/durable-executions")

Query = Mapping[str, list[str]]


class DurableApi:
    def __init__(self, durable: DurableFunctions) -> None:
        self._durable = durable

    def serve(self, request: Request) -> Response | None:
        """The answer to a request for durable executions; None for any other request."""
        if found := EXECUTION.fullmatch(request.path):
            execution = self._durable.executions.get(unquote(found[1]))
            if execution is None:
                return _error(404, "ResourceNotFoundException", "Durable Execution does not exist")
            return self._serve_execution(request, execution, found[2])
        if found := CALLBACK.fullmatch(request.path):
            return self._serve_callback(request, unquote(found[1]), found[2])
        if found := BY_FUNCTION.fullmatch(request.path):
            return self._list(name_in(unquote(found[1])), parse_qs(request.query))
        return None

    def _serve_execution(
        self, request: Request, execution: DurableExecution, operation: str | None
    ) -> Response | None:
        match request.method, operation:
            case "POST", "checkpoint":
                return self._checkpoint(execution, _body(request))
            case "GET", "state":
                return _json({"Operations": execution.all_operations()})
            case "GET", "history":
                return _history(execution, parse_qs(request.query))
            case "GET", None:
                return _json(_described(execution))
            case "POST", "stop":
                error = _body(request) or {"ErrorMessage": "Execution stopped by user request"}
                execution.finish("STOPPED", time.time(), error=error)
                self._durable.changed(execution)
                return _json({"StopTimestamp": execution.ended})
        return None

    def _checkpoint(self, execution: DurableExecution, asked: Mapping[str, Any]) -> Response:
        before = set(execution.chained)
        try:
            updated = execution.checkpoint(
                asked["CheckpointToken"],
                asked.get("Updates") or (),
                time.time(),
                self._durable.time_scale,
            )
        except (InvalidCheckpoint, KeyError) as error:
            return _error(400, "InvalidParameterValueException", str(error))
        self._durable.changed(execution)
        self._durable.chain(execution, before)
        state = {"Operations": updated}
        return _json({"CheckpointToken": execution.token, "NewExecutionState": state})

    def _serve_callback(self, request: Request, callback: str, action: str) -> Response | None:
        try:
            arn, operation = parted_callback_id(callback)
            execution = self._durable.executions[arn]
        except (KeyError, ValueError):
            return _error(404, "ResourceNotFoundException", "Callback does not exist")
        now = time.time()
        answers: dict[str, Callable[[], bool]] = {
            "succeed": lambda: execution.end_callback(
                operation, "SUCCEEDED", now, result=request.body.decode()
            ),
            "fail": lambda: execution.end_callback(operation, "FAILED", now, error=_body(request)),
            "heartbeat": lambda: execution.beat(operation, now),
        }
        if action not in answers:
            return None
        if not answers[action]():
            return _error(400, "CallbackTimeoutException", "The callback has ended.")
        self._durable.changed(execution)
        return _json({})

    def _list(self, function: str, asked: Query) -> Response:
        statuses = asked.get("Statuses")
        (name,) = asked.get("DurableExecutionName", [None])
        found = [
            _summary(each)
            for each in self._durable.executions.values()
            if function in (name_in(each.function_arn), each.function)
            and (statuses is None or each.status in statuses)
            and name in (None, each.name)
        ]
        return _page("DurableExecutions", found, asked)


def _history(execution: DurableExecution, asked: Query) -> Response:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecutionHistory.html"""
    events = execution.events
    if asked.get("IncludeExecutionData") == ["false"]:
        events = [without_data(event) for event in events]
    return _page("Events", events, asked)


def _page(name: str, found: Sequence[Mapping[str, Any]], asked: Query) -> Response:
    """The page of what was found that a request asks for."""
    try:
        size = int(asked.get("MaxItems", ["0"])[0]) or PAGE
        first = int(asked.get("Marker", ["0"])[0])
    except ValueError:
        return _error(400, "InvalidParameterValueException", "Invalid MaxItems or Marker")
    if not 0 <= size <= LARGEST_PAGE or first < 0:
        return _error(400, "InvalidParameterValueException", "Invalid MaxItems or Marker")
    ordered = found[::-1] if asked.get("ReverseOrder") == ["true"] else found
    page: dict[str, Any] = {name: ordered[first : first + size]}
    if first + size < len(ordered):
        page["NextMarker"] = str(first + size)
    return _json(page)


def _summary(execution: DurableExecution) -> dict[str, Any]:
    summary = {
        "DurableExecutionArn": execution.arn,
        "DurableExecutionName": execution.name,
        "FunctionArn": execution.function_arn,
        "Status": execution.status,
        "StartTimestamp": execution.started,
        "EndTimestamp": execution.ended,
    }
    return {name: value for name, value in summary.items() if value is not None}


def _described(execution: DurableExecution) -> dict[str, Any]:
    more = {
        "InputPayload": execution.input,
        "Result": execution.result,
        "Error": execution.error,
        "Version": execution.function_arn.rpartition(":")[2],
    }
    found = {name: value for name, value in more.items() if value is not None}
    return {**_summary(execution), **found}


def _body(request: Request) -> Any:
    try:
        return parsed(request.body or b"{}")
    except ValueError:
        return {}


def _json(content: Mapping[str, Any]) -> Response:
    return _answer(200, content, [])


def _error(status: int, kind: str, message: str) -> Response:
    return _answer(status, {"Type": "User", "Message": message}, [("x-amzn-ErrorType", kind)])


def _answer(status: int, content: Mapping[str, Any], more: list[tuple[str, str]]) -> Response:
    headers = [("content-type", "application/json"), ("x-amzn-requestid", str(uuid.uuid4()))]
    return Response(status, [*headers, *more], json.dumps(content).encode())
