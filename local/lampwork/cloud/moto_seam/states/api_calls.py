"""Tasks that call an API of API Gateway. moto would call them where LocalStack serves them.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_api_gateway,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (  # noqa: E501
    StateTaskService,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

API: Final = re.compile(r"([0-9a-z]+)\.execute-api\.")
SIGNED: Final = (
    "AWS4-HMAC-SHA256 Credential=lampwork/20260101/us-east-1/execute-api/aws4_request,"
    " SignedHeaders=host, Signature=0"
)
PARAMETERS: Final = (
    "AllowNullValues",
    "AuthType",
    "Headers",
    "Path",
    "QueryParameters",
    "RequestBody",
    "Stage",
)
WITH_BODY: Final = ("PATCH", "POST", "PUT")
# API Gateway's own limit is below it.
SECONDS: Final = 60
DETAILS: Final[Any] = EventDetails  # as Any, because its type asks for the details of all events


class _Refused(Exception):
    """The API answered with another status than 2XX."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status = status


class _Calls:
    def __init__(self, gateway: str | None) -> None:
        self._gateway = gateway
        self._pool = urllib3.PoolManager()

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """
        Raises:
            _Refused: the answer is an error.
            urllib3.exceptions.HTTPError: there is no answer.
        """
        headers = urllib3.HTTPHeaderDict()
        for name, values in (asked.get("Headers") or {}).items():
            for value in values if isinstance(values, list) else [values]:
                headers.add(name, str(value))
        if asked.get("AuthType", "NO_AUTH") != "NO_AUTH":
            headers["Authorization"] = SIGNED
        body = None
        if asked["Method"] in WITH_BODY and (given := asked.get("RequestBody")) is not None:
            body = given if isinstance(given, str) else json.dumps(_sent(given, asked))
            headers.setdefault("Content-Type", "application/json")
        origin = self._origin(asked["ApiEndpoint"], headers)
        found = self._pool.request(
            asked["Method"],
            origin + _path(asked),
            headers=headers,
            body=body,
            timeout=SECONDS,
            retries=False,
        )
        text = found.data.decode("utf-8", "replace")
        if not 200 <= found.status < 300:
            raise _Refused(found.status, text)
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        return {
            "Headers": {name: found.headers.getlist(name) for name in found.headers},
            "ResponseBody": content,
            "StatusCode": found.status,
            "StatusText": HTTPStatus(found.status).phrase,
        }

    def _origin(self, host: str, headers: urllib3.HTTPHeaderDict) -> str:
        """Where an API is served. Lampwork knows its own by their host name, unless its template
        gave its own address for it."""
        if self._gateway is not None:
            own = urlsplit(self._gateway).netloc
            if api := API.match(host):
                headers["Host"] = f"{api[1]}.execute-api.{own}"
            if api or host == own:
                return self._gateway
        return f"https://{host}"


def install(gateway: str | None) -> None:
    """From now on, APIs of this emulator are called at `gateway`, such as http://localhost:8000."""
    calls = _Calls(gateway)
    service: Any = state_task_service_api_gateway.StateTaskServiceApiGateway

    def run(task: Any, env: Any, normalised_parameters: Any, **_: object) -> None:
        env.stack.append(calls.answer(normalised_parameters))

    service._SUPPORTED_API_PARAM_BINDINGS["invoke"].update(PARAMETERS)
    service._eval_service_task = run
    service._from_error = _failure


def _path(asked: Mapping[str, Any]) -> str:
    parts = (str(asked.get(name) or "").strip("/") for name in ("Stage", "Path"))
    path = "/" + "/".join(part for part in parts if part not in ("", "$default"))
    query = urlencode(asked.get("QueryParameters") or {}, doseq=True)
    return quote(path, safe="/%@:+$&=,;!*'()~") + (f"?{query}" if query else "")


def _sent(body: Any, asked: Mapping[str, Any]) -> Any:
    """A body without its null values, unless the task allows them."""
    return body if asked.get("AllowNullValues") else _without_nulls(body)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _failure(task: Any, env: Any, ex: Exception) -> FailureEvent:
    if not isinstance(ex, _Refused | urllib3.exceptions.HTTPError):
        return StateTaskService._from_error(task, env=env, ex=ex)
    kind = ex.status if isinstance(ex, _Refused) else type(ex).__name__
    error = f"ApiGateway.{kind}"
    told = TaskFailedEventDetails(
        error=error,
        cause=str(ex),
        resource=task._get_sfn_resource(),
        resourceType=task._get_sfn_resource_type(),
    )
    return FailureEvent(
        env=env,
        error_name=CustomErrorName(error),
        event_type=HistoryEventType.TaskFailed,
        event_details=DETAILS(taskFailedEventDetails=told),
    )
