"""The names of moto's interpreter that this folder's other modules use.

They are checked when the interpreter is first needed, since loading it takes a second.
"""

from typing import Final

from lampwork.cloud.moto_seam.names import MOTO
from lampwork.seams import Seam

PARSER: Final = "moto.stepfunctions.parser"
ASL: Final = f"{PARSER}.asl"
TASKS: Final = f"{ASL}.component.state.exec.state_task"

STATES: Final = Seam(
    package="moto",
    floor=MOTO.floor,
    ceiling=MOTO.ceiling,
    extras=MOTO.extras,
    calls=(
        f"{ASL}.parse.asl_parser.AmazonStateLanguageParser.parse(definition)",
        f"{ASL}.parse.asl_parser.ASLParserException",
        f"{ASL}.component.program.program.Program.eval(self, env)",
        f"{ASL}.eval.environment.Environment(*, aws_execution_details, execution_type, context,"
        " event_history_context, cloud_watch_logging_session, activity_store)",
        f"{ASL}.eval.environment.Environment.is_running(self)",
        f"{ASL}.eval.environment.Environment.program_state(self)",
        f"{ASL}.eval.environment.Environment.set_stop(self, *, stop_date, cause, error)",
        f"{ASL}.eval.evaluation_details.AWSExecutionDetails(*, account, region, role_arn)",
        f"{ASL}.eval.event.event_detail.EventDetails",
        f"{ASL}.eval.event.event_manager.EventHistoryContext.of_program_start",
        f"{ASL}.eval.event.event_manager.EventManager.add_event(self, *, context, event_type,"
        " event_details, update_source_event_id)",
        f"{ASL}.eval.event.event_manager.EventManager.get_event_history(self)",
        f"{ASL}.eval.program_state.ProgramError",
        f"{ASL}.eval.program_state.ProgramStopped",
        f"{ASL}.eval.program_state.ProgramTimedOut",
        f"{ASL}.eval.callback.callback.CallbackEndpoint.notify(self, outcome)",
        f"{ASL}.eval.callback.callback.CallbackEndpoint.notify_heartbeat(self)",
        f"{ASL}.eval.callback.callback.CallbackOutcomeFailure(*, callback_id, error, cause)",
        f"{ASL}.eval.callback.callback.CallbackOutcomeSuccess(*, callback_id, output)",
        f"{ASL}.eval.callback.callback.CallbackPoolManager.get(self, callback_id)",
        f"{ASL}.static_analyser.express_static_analyser.ExpressStaticAnalyser.analyse",
        f"{PARSER}.backend.activity.Activity(arn, name)",
        f"{PARSER}.backend.activity.Activity.get_task(self)",
        f"{PARSER}.api.HistoryEventType",
        f"{ASL}.component.state.state.StateData",
        f"{ASL}.parse.preprocessor.Preprocessor._query_language_per_scope",
        f"{ASL}.component.common.error_name.custom_error_name.CustomErrorName",
        f"{TASKS}.service.state_task_service_factory._UNSUPPORTED_SERVICE_NAMES",
        f"{ASL}.component.common.retry.retrier_decl.time",
        f"{ASL}.utils.boto_client.boto3",
        f"{PARSER}.utils.TMP_THREADS",
        f"{TASKS}.service.state_task_service.StateTaskService._to_boto_request(self, parameters,"
        " structure_shape)",
        f"{TASKS}.service.state_task_service.StateTaskService._from_boto_response(self, response,"
        " structure_shape)",
        f"{TASKS}.service.state_task_service.StateTaskService._get_boto_service_name(self,"
        " boto_service_name)",
        f"{TASKS}.service.state_task_service_api_gateway.StateTaskServiceApiGateway."
        "_SUPPORTED_API_PARAM_BINDINGS",
        f"{TASKS}.service.state_task_service_lambda.StateTaskServiceLambda."
        "_error_cause_from_client_error(client_error)",
        f"{ASL}.jsonata.jsonata.extract_jsonata_variable_references(jsonata_expression)",
    ),
    replaces=(
        f"{ASL}.component.state.choice.comparison.comparison_func.ComparisonFuncValue."
        "_eval_body(self, env)",
        f"{ASL}.component.state.choice.comparison.comparison_func."
        "ComparisonFuncStringVariableSample._eval_body(self, env)",
        f"{ASL}.eval.variable_store.VariableStore.get_assigned_variables(self)",
        f"{ASL}.parse.intrinsic.intrinsic_parser.IntrinsicParser.parse(src)",
        f"{ASL}.parse.intrinsic.preprocessor.Preprocessor._text_of_str(parse_tree)",
        f"{ASL}.component.intrinsic.argument.argument.ArgumentLiteral._eval_argument(self, env)",
        f"{ASL}.component.intrinsic.function.statesfunction.generic.string_format.StringFormat."
        "_eval_body(self, env)",
        f"{ASL}.component.state.exec.state_map.iteration.distributed_iteration_component."
        "DistributedIterationComponent._map_run(self, env, eval_input)",
        f"{ASL}.utils.json_path.parse(path, debug)",
        f"{ASL}.component.common.assign.assign_template_value_terminal."
        "AssignTemplateValueTerminalLit._eval_body(self, env)",
        f"{ASL}.component.common.string.string_expression.StringJSONata._eval_body(self, env)",
        f"{ASL}.component.common.string.string_expression.StringVariableSample._eval_body(self,"
        " env)",
        f"{ASL}.component.state.wait.wait_function.wait_function.WaitFunction._wait_interval(self,"
        " env, wait_seconds)",
        f"{TASKS}.service.state_task_service.StateTaskService._normalise_parameters(self,"
        " parameters, boto_service_name, service_action_name)",
        f"{TASKS}.service.state_task_service.StateTaskService._normalise_response(self, response,"
        " boto_service_name, service_action_name)",
        f"{TASKS}.service.state_task_service_aws_sdk.StateTaskServiceAwsSdk."
        "_normalise_service_error_name(service_name)",
        f"{TASKS}.state_task_lambda.StateTaskLambda._from_error(self, env, ex)",
        f"{TASKS}.service.state_task_service_dynamodb.StateTaskServiceDynamoDB."
        "_from_error(self, env, ex)",
        f"{TASKS}.service.state_task_service_api_gateway.StateTaskServiceApiGateway."
        "_eval_service_task(self, env, resource_runtime_part, normalised_parameters,"
        " task_credentials)",
        f"{TASKS}.service.state_task_service_api_gateway.StateTaskServiceApiGateway."
        "_from_error(self, env, ex)",
    ),
)
