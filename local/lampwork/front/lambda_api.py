"""Lambda's Invoke API, for boto3's `lambda` client.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import json
import re
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from lampwork.errors import (
    FunctionNotFound,
    LampworkError,
    RecursiveInvocation,
    Throttled,
    TooManyEnvironments,
)
from lampwork.front.aws_services import signed_for
from lampwork.front.lambda_service.durable_api import DurableApi
from lampwork.front.lambda_service.lambda_operations import LambdaOperations
from lampwork.front.lambda_service.streamed_answers import (
    LOG_TAIL,
    streamed,
    streamed_whole,
)
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.invocation.limits import MAX_ASYNCHRONOUS_EVENT, MAX_EVENT
from lampwork.invocation.port import Invocation, Invoker
from lampwork.invocation.streamed_call import StreamedCall
from lampwork.json_text import parsed
from lampwork.stack.function_names import (
    FunctionNames,
    invocation_name,
    name_in,
    qualifier_in,
    tenant_name,
)
from lampwork.stack.model import ACCOUNT_ID, Function
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.durable.executions import DurableFunctions
from lampwork.triggers.made_mappings import MadeMappings

PREFIX = "/2015-03-31/functions/"
# The paths of Lambda's other operations also begin with the date of their API version.
DATED = re.compile(r"/20\d\d-\d\d-\d\d/")
PATH = re.compile(PREFIX + "([^/]+)/invocations")
STREAM_PATH = re.compile("/2021-11-15/functions/([^/]+)/response-streaming-invocations")
NOT_SERVED = "Lampwork serves Invoke, event source mappings and the lists of functions."
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
TENANT_ID = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
EXECUTION = "x-amz-durable-execution-name"
EXECUTION_ARN = "x-amz-durable-execution-arn"
NO_TENANT = "The function isolates tenants. Add a valid tenant ID to the request."
NOT_DURABLE = "The function is not durable. Remove the name of an execution from the request."
NAME_TAKEN = "An execution with this name has been started with another payload."
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
EXECUTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NO_TENANCY = "The function does not isolate tenants. Remove the tenant ID from the request."
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
CONTRADICTION = (
    "The derived qualifier from the function name does not match the specified qualifier."
)


class LambdaApi:
    """Answers clients of Lambda. Executions of durable functions are in `durable`."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        invoker: Invoker,
        events: EventInvocations,
        mappings: MadeMappings | None = None,
        durable: DurableFunctions | None = None,
    ) -> None:
        self._operations = LambdaOperations(mappings)
        self._durable = DurableApi(durable) if durable else None
        self._executions = durable
        self._invoker = invoker
        self._events = events
        self.update(functions)

    def update(self, functions: Mapping[str, Function]) -> None:
        self._listed = functions
        self._functions = FunctionNames(functions)

    def serves(self, request: Request) -> bool:
        """Whether the request is for Lambda's API.

        The signature alone does not tell, because callers of function URLs may sign for Lambda too.
        """
        path = request.path
        return path.startswith(PREFIX) or (
            DATED.match(path) is not None and signed_for(request) == "lambda"
        )

    async def serve(self, request: Request) -> Response:
        """Answer `POST /2015-03-31/functions/{name, ARN or partial ARN}/invocations`, or one of
        the other operations."""
        if streaming := STREAM_PATH.fullmatch(request.path):
            return await self._invocation(request, unquote(streaming[1]), streams=True)
        found = PATH.fullmatch(request.path)
        if found is None or request.method != "POST":
            answer = self._durable.serve(request) if self._durable else None
            answer = answer or await self._operations.serve(request, self._listed)
            return answer or _error(501, "NotImplementedException", message=NOT_SERVED)
        return await self._invocation(request, unquote(found[1]))

    async def _invocation(
        self, request: Request, reference: str, *, streams: bool = False
    ) -> Response:
        """Invoke a function as its name, ARN or partial ARN says."""
        name = name_in(reference)
        function = self._functions.called(name)
        if function is None:
            return _not_found(name, request)
        named, given = qualifier_in(reference), _qualifier(request)
        if named and given and named != given:
            return _error(400, "InvalidParameterValueException", message=CONTRADICTION)
        try:
            function = function.qualified(named or given)
        except KeyError:
            return _not_found(f"{function.name}:{named or given}", request)
        tenant = request.header("x-amz-tenant-id")
        if refused := _refused_tenant(function, tenant):
            return refused
        function = replace(function, tenant=tenant)
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        refused = self._refused(request, kind) or self._refused_execution(request, function)
        if streams and kind == "Event":
            message = "A stream is for RequestResponse and DryRun."
            return _error(400, "InvalidParameterValueException", message=message)
        return refused or await self._invoke(request, function, kind, streams=streams)

    def _refused_execution(self, request: Request, function: Function) -> Response | None:
        """https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html"""
        name = request.header(EXECUTION)
        if name is None:
            return None
        if self._executions is None or not function.durable:
            return _error(400, "InvalidParameterValueException", message=NOT_DURABLE)
        if not EXECUTION_NAME.fullmatch(name):
            message = f"{name} is no name of an execution: {EXECUTION_NAME.pattern}"
            return _error(400, "InvalidParameterValueException", message=message)
        if self._executions.is_taken(function, name, request.body or b"{}"):
            return _error(409, "DurableExecutionAlreadyStartedException", Message=NAME_TAKEN)
        return None

    def _refused(self, request: Request, kind: str) -> Response | None:
        limit = MAX_ASYNCHRONOUS_EVENT if kind == "Event" else MAX_EVENT
        if len(request.body) > limit:
            return _error(
                413, "RequestTooLargeException", message=f"Request must be smaller than {limit}."
            )
        try:
            parsed(request.body or b"{}")
        except ValueError as error:
            return _error(
                400,
                "InvalidRequestContentException",
                message=f"Could not parse request body into json: {error}",
            )
        if not _is_client_context(request.header("x-amz-client-context")):
            return _error(
                400,
                "InvalidRequestContentException",
                fault=None,
                message="Client context must be a valid Base64-encoded JSON object.",
            )
        return None

    async def _invoke(
        self, request: Request, function: Function, kind: str, *, streams: bool
    ) -> Response:
        payload = request.body or b"{}"
        match kind:
            case "DryRun":
                return Response(204, _headers())
            case "Event":
                request_id = str(uuid.uuid4())
                headers = _headers(request_id)
                # The tries of an event have one id, and it names their execution.
                event_id = request.header(EXECUTION) or request_id
                if self._executions is not None and function.durable:
                    execution = self._executions.begin(function, payload, event_id)
                    headers.append((EXECUTION_ARN, execution.arn))
                self._events.submit(
                    self._name(function),
                    payload,
                    request_id=event_id,
                    trace_header=request.header("x-amzn-trace-id"),
                )
                return Response(202, headers)
            case "RequestResponse":
                answer = self._stream if streams else self._wait
                return await _answered(answer(request, function, payload), function, request)
            case _:
                return _error(
                    400, "InvalidParameterValueException", message=f"Not supported: {kind}"
                )

    async def _wait(self, request: Request, function: Function, payload: bytes) -> Response:
        invocation = await self._invoker.invoke(self._name(function), payload, **_options(request))
        return _result(invocation, function.version, tail=_wants_log(request))

    async def _stream(self, request: Request, function: Function, payload: bytes) -> Response:
        """The answer of InvokeWithResponseStream."""
        options = _options(request)
        options["request_id"] = options["request_id"] or str(uuid.uuid4())
        stream = StreamedCall(self._invoker, self._name(function), payload, **options)
        whole = await stream.begun()
        headers = _headers(options["request_id"])
        headers.append(("x-amz-executed-version", function.version))
        if whole is None:
            return streamed(stream, headers, log=_wants_log(request))
        return streamed_whole(_result(whole, function.version, tail=_wants_log(request)))

    def _name(self, function: Function) -> str:
        """The name by which the invoker knows a function with this qualifier."""
        written = self._functions.get(function.logical_id)
        name = invocation_name(written, function.qualifier)
        return tenant_name(name, function.tenant) if function.tenant else name


async def _answered(answer: Awaitable[Response], function: Function, request: Request) -> Response:
    """An answer, or why there is none."""
    try:
        return await answer
    except FunctionNotFound:
        return _not_found(function.name, request)
    except RecursiveInvocation as error:
        return _error(400, "RecursiveInvocationException", Message=str(error))
    except Throttled:
        return _too_many("ReservedFunctionConcurrentInvocationLimitExceeded")
    except TooManyEnvironments:
        return _too_many("ConcurrentInvocationLimitExceeded")
    except LampworkError as error:
        return _error(500, "ServiceException", fault="Service", message=str(error))


def _options(request: Request) -> dict[str, Any]:
    """What a client says of an invocation besides its payload."""
    context = request.header("x-amz-client-context")
    return {
        "client_context": base64.b64decode(context).decode() if context else None,
        "request_id": request.header(EXECUTION),
        "trace_header": request.header("x-amzn-trace-id"),
    }


def _wants_log(request: Request) -> bool:
    return (request.header("x-amz-log-type") or "").lower() == "tail"


def _refused_tenant(function: Function, tenant: str | None) -> Response | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation-invoke.html"""
    if function.isolates_tenants and not TENANT_ID.fullmatch(tenant or ""):
        return _error(400, "InvalidParameterValueException", message=NO_TENANT)
    if tenant and not function.isolates_tenants:
        return _error(400, "InvalidParameterValueException", message=NO_TENANCY)
    return None


def _qualifier(request: Request) -> str | None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax"""
    return next((value for name, value in parse_qsl(request.query) if name == "Qualifier"), None)


def _is_client_context(header: str | None) -> bool:
    if not header:
        return True
    try:
        return isinstance(parsed(base64.b64decode(header, validate=True)), dict)
    except ValueError:
        return False


def _result(invocation: Invocation, version: str, *, tail: bool) -> Response:
    headers = _headers(invocation.request_id)
    headers += [("content-type", "application/json"), ("x-amz-executed-version", version)]
    if invocation.function_error:
        headers.append(("x-amz-function-error", invocation.function_error))
    if invocation.durable_execution:
        headers.append((EXECUTION_ARN, invocation.durable_execution))
    if tail:
        log = base64.b64encode(invocation.log[-LOG_TAIL:]).decode()
        headers.append(("x-amz-log-result", log))
    return Response(200, headers, invocation.payload)


def _headers(request_id: str | None = None) -> list[tuple[str, str]]:
    return [("x-amzn-requestid", request_id or str(uuid.uuid4()))]


def _not_found(name: str, request: Request) -> Response:
    scope = re.search(r"Credential=[^/]+/\d+/([a-z0-9-]+)/", request.header("authorization") or "")
    region = scope[1] if scope else "us-east-1"
    arn = f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"
    return _error(404, "ResourceNotFoundException", Message=f"Function not found: {arn}")


def _too_many(reason: str) -> Response:
    return _error(429, "TooManyRequestsException", Reason=reason, message="Rate Exceeded.")


def _error(status: int, kind: str, fault: str | None = "User", **fields: str) -> Response:
    headers = [*_headers(), ("content-type", "application/json"), ("x-amzn-ErrorType", kind)]
    return Response(status, headers, json.dumps({"Type": fault, **fields}).encode())
