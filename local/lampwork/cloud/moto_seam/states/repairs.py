"""Lets moto's interpreter of state machines reach this emulator's services and clock, and do what
it leaves out.

Importing this module loads the interpreter.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from jsonpath_ng import Index
from moto.stepfunctions.parser.api import (
    EvaluationFailedEventDetails,
    HistoryEventType,
    LambdaFunctionFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.assign.assign_template_value_terminal import (
    AssignTemplateValueTerminalLit,
)
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.choice.comparison import comparison_func
from moto.stepfunctions.parser.asl.component.state.choice.comparison.operator.factory import (
    OperatorFactory,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_lambda
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
    state_task_service_dynamodb,
    state_task_service_lambda,
)
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore
from moto.stepfunctions.parser.asl.utils import boto_client, json_path

from lampwork.cloud.moto_seam.states.attribute_values import typed
from lampwork.cloud.state_machines.language import paths
from lampwork.cloud.state_machines.language.jsonata import QueryError, evaluate

Client = Any
ClientOf = Callable[[str, str], Client]
"""Gives a boto3 client for a service in a region."""

# What the names of the interpreter's classes have beyond those of the fields that they evaluate.
FIELD: Final = re.compile(r"(StringJSONata|JSONataTemplateValueObject|JSONata|Decl)$")
DETAILS: Final[Any] = EventDetails  # as Any, because its type asks for the details of all events


class _Boto3:
    """Stands in for boto3 where the interpreter makes its clients."""

    def __init__(self, client_of: ClientOf) -> None:
        self._client_of = client_of

    def client(self, *, service_name: str, region_name: str, **_: object) -> Client:
        return self._client_of(service_name, region_name)


class _Match:
    """Something found by a path. `path` tells the interpreter whether to give a list."""

    context = None

    def __init__(self, value: Any, *, in_a_list: bool) -> None:
        self.value = value
        self.path = Index(0) if in_a_list else None


class _Path:
    """Stands in for jsonpath_ng's paths. From these, the interpreter takes one value for some
    paths that may have several, and a list for some that have one."""

    def __init__(self, text: str) -> None:
        self._path = paths.read(text)

    def find(self, data: Any) -> list[_Match]:
        values = self._path.values(data)
        if self._path.is_definite or values:
            return [_Match(each, in_a_list=not self._path.is_definite) for each in values]
        return [_Match([], in_a_list=False)]


class _Time:
    """Stands in for `time` where the interpreter waits before it tries again."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds * self._scale)


def install(client_of: ClientOf, time_scale: float) -> None:
    """From now on, tasks call services with these clients, and pauses take `time_scale` times as
    long as they say. A pause until a moment ends at that moment."""
    clients: Any = boto_client
    clients.boto3 = _Boto3(client_of)
    # It tells every caught error with all that it knows of the state.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    finding: Any = json_path
    finding.parse = _Path
    retrier: Any = retrier_decl
    retrier.time = _Time(time_scale)
    waiting: Any = wait_function.WaitFunction
    waiting._wait_interval = _waiting(time_scale)
    expression: Any = string_expression
    expression.StringJSONata._eval_body = _evaluate_jsonata
    expression.StringVariableSample._eval_body = _evaluate_variable
    task: Any = state_task_service.StateTaskService
    task._normalise_parameters = _normalise_parameters
    task._normalise_response = _normalise_response
    task._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES.update(_boto_names())
    sdk: Any = state_task_service_aws_sdk.StateTaskServiceAwsSdk
    sdk._normalise_service_error_name = staticmethod(_error_prefix)
    store: Any = VariableStore
    store.get_assigned_variables = _assigned
    literal: Any = AssignTemplateValueTerminalLit
    literal._eval_body = _push_literal
    entered: Any = state
    entered.StateData = _state_data
    comparison: Any = comparison_func.ComparisonFuncValue
    comparison._eval_body = _comparing_with_context(comparison._eval_body)
    with_variable: Any = comparison_func.ComparisonFuncStringVariableSample
    with_variable._eval_body = _compare_with_variable
    function: Any = state_task_lambda.StateTaskLambda
    function._from_error = _naming_lambda_errors(function._from_error)
    dynamodb: Any = state_task_service_dynamodb.StateTaskServiceDynamoDB
    dynamodb._from_error = _naming_dynamodb_errors(dynamodb._from_error)


def _waiting(scale: float) -> Callable[[Any, Any, float], None]:
    def wait_interval(wait: Any, env: Any, wait_seconds: float) -> None:
        seconds = wait_seconds if isinstance(wait, Timestamp) else wait_seconds * scale
        end = time.monotonic() + seconds
        while env.is_running() and (left := end - time.monotonic()) > 0:
            env.program_state_event.wait(left)

    return wait_interval


def _assigned(store: Any) -> dict[str, str]:
    """The variables that a state has assigned, in JSON, for the history."""
    names = store._declaration_tracing
    return {name: json.dumps(store.get(name), separators=(",", ":")) for name in names}


def _push_literal(literal: Any, env: Any) -> None:
    """A text that a definition assigns to a variable. moto leaves the escapes of JSON in it."""
    value = literal.value
    env.stack.append(json.loads(f'"{value}"', strict=False) if isinstance(value, str) else value)


def _state_data(EnteredTime: str, Name: str) -> dict[str, str]:
    """The context's `State`, whose time ends in Z on AWS.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
    """
    entered = datetime.fromisoformat(EnteredTime).isoformat(timespec="milliseconds")
    return {"EnteredTime": entered.replace("+00:00", "Z"), "Name": Name}


def _evaluate_jsonata(text: Any, env: Any) -> None:
    given = env.states._states_data
    env.stack.append(_value(text.expression, {"states": given, **_variables(env)}, env))


def _evaluate_variable(text: Any, env: Any) -> None:
    """A variable in a state whose language is JSONPath: $name, $name.field or $name[0]."""
    env.stack.append(_value(text.expression, _variables(env), env))


def _variables(env: Any) -> Mapping[str, Any]:
    store = env.variable_store
    return {**store._outer_scope, **store._inner_scope}


def _value(expression: str, variables: Mapping[str, Any], env: Any) -> Any:
    try:
        return evaluate(expression, variables)
    except QueryError as error:
        name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
        field = _field()
        told = EvaluationFailedEventDetails(error=name.error_name, cause=error.text(field))
        if field:
            told["location"] = field
        details = DETAILS(evaluationFailedEventDetails=told)
        kind = HistoryEventType.EvaluationFailed
        failure = FailureEvent(env=env, error_name=name, event_type=kind, event_details=details)
        raised = FailureEventException(failure_event=failure)
        told = DETAILS(evaluationFailedEventDetails=raised.get_evaluation_failed_event_details())
        env.event_manager.add_event(
            context=env.event_history_context, event_type=kind, event_details=told
        )
        raise raised from error


def _field() -> str:
    """The field of the state that is being evaluated, such as Output/total.

    The interpreter knows it only by what calls what. This runs when an expression fails.
    """
    frame, around = sys._getframe(1), list[Any]()
    while frame := frame.f_back:  # type: ignore[assignment]  # None ends it
        component = frame.f_locals.get("self")
        if isinstance(component, CommonStateField):
            break
        if isinstance(component, EvalComponent) and component not in around[:1]:
            around.insert(0, component)
    if not around:
        return ""
    outermost = FIELD.sub("", type(around[0]).__name__)
    names = (each.identifier for each in around[1:] if hasattr(each, "identifier"))
    return "/".join((outermost, *names))


def _normalise_parameters(
    task: Any,
    parameters: dict[str, Any],
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    """Parameters as a definition writes them (`StateMachineArn`), as boto3 takes them."""
    operation = _operation(task, boto_service_name, service_action_name)
    if operation is not None and operation.input_shape is not None:
        task._to_boto_request(parameters, operation.input_shape)
        if isinstance(task, state_task_service_dynamodb.StateTaskServiceDynamoDB):
            parameters.update(typed(parameters, operation.input_shape))


def _normalise_response(
    task: Any,
    response: Any,
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    operation = _operation(task, boto_service_name, service_action_name)
    if operation is not None and operation.output_shape is not None:
        task._from_boto_response(response, operation.output_shape)


def _operation(task: Any, service: str | None, action: str | None) -> Any:
    """The description of the operation that a task calls; None for one that boto3 does not know."""
    client = boto_client.boto_client_for(
        service=task._get_boto_service_name(service), region="us-east-1"
    )
    method = xform_name(action or task.resource.api_action)
    name = client.meta.method_to_api_mapping.get(method)
    return None if name is None else client.meta.service_model.operation_model(name)


def _boto_names() -> dict[str, str]:
    """boto3's names by those of AWS's SDK for Java, where the two differ by more than hyphens.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    """
    named = create_loader().list_available_services("service-2")
    return {name.replace("-", ""): name for name in named if "-" in name} | {
        "cloudwatchlogs": "logs",
        "cognitoidentityprovider": "cognito-idp",
        "costexplorer": "ce",
        "databasemigration": "dms",
        "elasticloadbalancing": "elb",
        "elasticloadbalancingv2": "elbv2",
        "eventbridge": "events",
        "sfn": "stepfunctions",
        "states": "stepfunctions",
    }


def _error_prefix(service_name: str) -> str:
    """What the names of a service's errors begin with, such as DynamoDb: the name of the service
    as AWS's SDK for Java writes it.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    """
    overrides: Any = state_task_service.StateTaskService
    name = overrides._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES.get(service_name, service_name)
    client = boto_client.boto_client_for(service=name, region="us-east-1")
    words = client.meta.service_model.metadata["serviceId"].split()
    return "".join(
        re.sub(r"[A-Z]{2,}(?![a-z])", lambda found: found[0].capitalize(), word) for word in words
    )


def _naming_lambda_errors(from_error: Callable[..., Any]) -> Callable[..., Any]:
    """A task whose resource is a function names Lambda's own errors as `lambda:invoke` does.

    https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
    """

    def from_error_of_service(task: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, BotoCoreError):  # nobody answers, as while Lampwork is being stopped
            error, cause = "Lambda.SdkClientException", str(ex)
        elif isinstance(ex, ClientError):
            service = state_task_service_lambda.StateTaskServiceLambda
            error, cause = service._error_cause_from_client_error(ex)
        else:
            return from_error(task, env, ex)
        details = LambdaFunctionFailedEventDetails(error=error, cause=cause)
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(error),
            event_type=HistoryEventType.LambdaFunctionFailed,
            event_details=DETAILS(lambdaFunctionFailedEventDetails=details),
        )

    return from_error_of_service


def _naming_dynamodb_errors(from_error: Callable[..., Any]) -> Callable[..., Any]:
    """DynamoDB's errors are those of its calls. moto counts among them what goes wrong before, such
    as a path that leads nowhere, which is States.Runtime."""

    def from_error_of_call(task: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, BotoCoreError | ClientError):
            return from_error(task, env, ex)
        return state_task_service.StateTaskService._from_error(task, env=env, ex=ex)

    return from_error_of_call


def _comparing_with_context(compare: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """A comparison such as NumericEqualsPath with a path into the context object: $$.Execution.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
    """

    def eval_body(comparison: Any, env: Any) -> None:
        path = comparison.value
        is_path = str(comparison.operator_type).endswith("Path")
        if is_path and isinstance(path, str) and path.startswith("$$"):
            context = env.states.context_object.context_object_data
            _compare_with(comparison, json_path.extract_json(path[1:], context), env)
        else:
            compare(comparison, env)

    return eval_body


def _compare_with_variable(comparison: Any, env: Any) -> None:
    """A comparison with a variable. moto compares the variable with the field, the wrong way."""
    comparison.string_variable_sample.eval(env=env)
    _compare_with(comparison, env.stack.pop(), env)


def _compare_with(comparison: Any, value: Any, env: Any) -> None:
    field = env.stack.pop()
    env.stack += [value, field]
    # Its path $ leads to what is on the stack below the field.
    OperatorFactory.get(comparison.operator_type).eval(env=env, value="$")
    del env.stack[-2]
