from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from lampwork.stack.function_names import NAME, FunctionNames, name_in, qualifier_in
from lampwork.stack.handler_check import handler_problem
from lampwork.stack.model import LATEST, DurableConfig, EventConfig, Function
from lampwork.template.code import code_folder, inline_folder, inline_node_folder
from lampwork.template.images.reading import ImageCode, read_image
from lampwork.template.language.transform import local_path
from lampwork.template.layers.reading import Layers, read_layers
from lampwork.template.log_config import read_log_config
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.source.spelling import known_runtimes

ALIAS: Final = "AWS::Lambda::Alias"
VERSION: Final = "AWS::Lambda::Version"
# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-custom-runtimes.html
MAKEFILE: Final = (
    "the code runs from its CodeUri; after `sam build`, give -t .aws-sam/build/template.yaml"
)
# The property with the function that a resource calls.
CALLED_BY: Final = {
    "AWS::ApiGatewayV2::Integration": "IntegrationUri",
    "AWS::Lambda::EventSourceMapping": "FunctionName",
    "AWS::SNS::Subscription": "Endpoint",
}
DEFAULT_TIMEOUT_SECONDS: Final = 3
DEFAULT_MEMORY_MB: Final = 128
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
TIMEOUTS: Final = range(1, 901)
MEMORY_SIZES: Final = range(128, 10_241)
# https://docs.aws.amazon.com/lambda/latest/api/API_DurableConfig.html
DEFAULT_EXECUTION_SECONDS: Final = 86_400
EXECUTION_SECONDS: Final = range(1, 31_622_401)
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
EXEC_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED_VARIABLES: Final = frozenset(
    (
        *("_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_RUNTIME_API"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_INITIALIZATION_TYPE"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_SESSION_TOKEN"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    )
)


def read_functions(template: Template) -> dict[str, Function]:
    """The functions that can run here, by logical id.

    Raises:
        TemplateError: one has no handler, no such folder, a value of the wrong kind or a variable
            that Lambda reserves.
    """
    functions = {
        function.logical_id: function
        for function in read_each(template.of_type("AWS::Lambda::Function"), _function)
    }
    names = FunctionNames(functions)

    def configured(config: Resource) -> Iterator[Function]:
        if function := names.find(config.text("FunctionName")):
            yield replace(function, on_event=_event_config(config, function.on_event))

    for function in read_each(template.of_type("AWS::Lambda::EventInvokeConfig"), configured):
        functions[function.logical_id] = function
    _name_makefiles(template, functions)
    for function in list(functions.values()):
        functions[function.logical_id] = _with_qualifiers(function, template)
    return functions


def named_by(address: object, api: Resource) -> Resource:
    """The function that a route leads to, even one that cannot run here; else the API."""
    if named := NAME.search(str(address)):
        for function in api.template.of_type("AWS::Lambda::Function"):
            if function.identity.name == named[1]:
                return function
    return api


def _function(resource: Resource) -> Iterator[Function]:
    code = _code(resource)
    if isinstance(code, str):
        resource.ignore(resource.written_type, code)
        return
    layers = read_layers(resource)
    environment = {**code.variables, **_environment(resource)}
    yield Function(
        logical_id=resource.logical_id,
        name=resource.identity.name,
        handler=code.handler,
        code_dir=code.folder,
        runtime=code.runtime,
        timeout_seconds=resource.integer("Timeout", DEFAULT_TIMEOUT_SECONDS, TIMEOUTS),
        memory_mb=resource.integer("MemorySize", DEFAULT_MEMORY_MB, MEMORY_SIZES),
        environment=environment,
        reserved_concurrency=resource.optional_integer("ReservedConcurrentExecutions"),
        layers=(*layers.folders, *([code.opt] if code.opt else [])),
        source_layers=layers.sources,
        build_method=resource.metadata.scalar("BuildMethod") or "",
        is_image=resource.text("PackageType") == "Image",
        web_adapter=layers.web_adapter or code.web_adapter,
        secrets_extension=layers.secrets_extension,
        runs_wrapper=_runs_wrapper(environment, layers),
        on_event=EventConfig(dead_letter=resource.section("DeadLetterConfig").text("TargetArn")),
        may_recur=_may_recur(resource),
        log_config=read_log_config(resource),
        durable=_durable(resource),
        isolates_tenants=resource.section("TenancyConfig").text("TenantIsolationMode")
        == "PER_TENANT",
        region=resource.identity.place.region,
        template=resource.file,
        line=resource.line,
        handler_line=resource.line_of("Handler"),
    )


def _durable(resource: Resource) -> DurableConfig | None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_DurableConfig.html"""
    config = resource.section("DurableConfig")
    if not config:
        return None
    return DurableConfig(
        config.integer("ExecutionTimeout", DEFAULT_EXECUTION_SECONDS, EXECUTION_SECONDS)
    )


def _may_recur(resource: Resource) -> bool:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html"""
    chosen = resource.text("RecursiveLoop")
    if chosen not in (None, "Allow", "Terminate"):
        raise resource.error(
            f"the RecursiveLoop of {resource.logical_id} must be Allow or Terminate, not"
            f" {chosen!r}.",
            "RecursiveLoop",
        )
    return chosen == "Allow"


def _name_makefiles(template: Template, functions: Mapping[str, Function]) -> None:
    """Name the makefiles that `sam build` would run, in one line for all functions that lack their
    handler without, and one for all others."""
    lacking: list[Resource] = []
    harmless: list[Resource] = []
    for resource in template.of_type("AWS::Lambda::Function"):
        if resource.metadata.scalar("BuildMethod") == "makefile":
            function = functions.get(resource.logical_id)
            runs = function is not None and handler_problem(function) is None
            (harmless if runs else lacking).append(resource)
    for built in (lacking, harmless):
        for first in built[:1]:
            others = f" (as for {len(built) - 1} other functions)" if built[1:] else ""
            reason = f"its makefile is not run{others}: {MAKEFILE}"
            first.ignore("BuildMethod makefile", reason, harmless=built is harmless)


def _with_qualifiers(function: Function, template: Template) -> Function:
    """The function with its aliases and versions. All versions have the same code here.

    SAM leads every event of a function with AutoPublishAlias to the alias.
    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/automating-updates-to-serverless-apps.html
    """

    def own(part: Resource) -> Iterator[Resource]:
        if name_in(part.scalar("FunctionName") or "") == function.name:
            yield part

    versions = list(read_each(template.of_type(VERSION), own))
    aliases = list(read_each(template.of_type(ALIAS), own))
    if not (versions or aliases):
        return function
    numbers = {f"{number}": f"{number}" for number, _ in enumerate(versions, start=1)}
    named = {each.required("Name"): each.scalar("FunctionVersion") or LATEST for each in aliases}
    qualified = replace(function, qualifiers={**numbers, **named})
    published = [each.required("Name") for each in aliases if each.is_made_by_sam]
    if not published:
        named_by_triggers = _qualifiers_of_triggers(function, template)
        if len(named_by_triggers) == 1:  # with several, all run as $LATEST
            published = [each for each in named_by_triggers if each in qualified.qualifiers]
    return qualified.qualified(published[0]) if published else qualified


def _qualifiers_of_triggers(function: Function, template: Template) -> set[str]:
    """The aliases and versions by which integrations, mappings, subscriptions and rules of the
    template call a function."""

    def references(resource: Resource) -> Iterator[object]:
        if resource.type == "AWS::ApiGateway::Method":
            yield resource.section("Integration").get("Uri")
        elif resource.type == "AWS::Events::Rule":
            yield from (target.get("Arn") for target in resource.sections("Targets"))
        else:
            yield resource.get(CALLED_BY[resource.type])

    types = (*CALLED_BY, "AWS::ApiGateway::Method", "AWS::Events::Rule")
    found = {f"{each}" for type in types for each in read_each(template.of_type(type), references)}
    return {qualifier_in(each) or LATEST for each in found if name_in(each) == function.name}


def _event_config(resource: Resource, without: EventConfig) -> EventConfig:
    destinations = resource.section("DestinationConfig")
    return replace(
        without,
        retries=resource.integer("MaximumRetryAttempts", without.retries),
        maximum_age_seconds=resource.integer(
            "MaximumEventAgeInSeconds", int(without.maximum_age_seconds)
        ),
        on_success=destinations.section("OnSuccess").text("Destination"),
        on_failure=destinations.section("OnFailure").text("Destination"),
    )


def _code(resource: Resource) -> ImageCode | str:
    """The function's code, in a folder or as an image; a reason if it cannot run here."""
    if resource.text("PackageType") == "Image":
        return read_image(resource)
    runtime = resource.text("Runtime")
    if runtime is not None:
        _check_runtime(resource, runtime)
    if runtime is not None and not runtime.startswith(("python", "nodejs")):
        return f"its runtime is {runtime}; Lampwork runs Python and Node.js"
    code = resource.section("Code")
    if local_path(code) is None and code.text("ZipFile") is None:
        return "its code is not in a local folder; name one as CodeUri"
    return ImageCode(
        folder=_code_dir(resource),
        handler=resource.required("Handler"),
        runtime=resource.required("Runtime"),
    )


def _check_runtime(resource: Resource, runtime: str) -> None:
    if runtime not in known_runtimes():
        meant = get_close_matches(runtime.lower(), known_runtimes(), 1)
        hint = f"; {meant[0]} may be meant" if meant else ""
        problem = f"Lambda has no runtime {runtime!r}{hint}."
        raise resource.error(f"{resource.logical_id}: {problem}", "Runtime")


def _code_dir(resource: Resource) -> Path:
    code = resource.section("Code")
    if inline := code.text("ZipFile"):
        is_node = (resource.text("Runtime") or "").startswith("nodejs")
        return inline_node_folder(resource, inline) if is_node else inline_folder(resource, inline)
    return code_folder(resource, local_path(code) or ".", "CodeUri")


def _runs_wrapper(environment: Mapping[str, str], layers: Layers) -> bool:
    """Whether AWS_LAMBDA_EXEC_WRAPPER starts the runtime. It does not where its script is in a
    layer that is not here."""
    script = environment.get(EXEC_WRAPPER, "")
    if layers.web_adapter or not script:
        return False
    in_opt = script.removeprefix("/opt/")
    return not (
        layers.incomplete
        and script.startswith("/opt/")
        and not any((folder / in_opt).exists() for folder in layers.folders)
    )


def _environment(resource: Resource) -> dict[str, str]:
    environment = resource.section("Environment")
    if astray := set(environment) - {"Variables"}:
        raise resource.error(
            f"the Environment of {resource.logical_id} takes only `Variables`: put"
            f" {', '.join(sorted(astray))} below it.",
            "Environment",
        )
    variables = environment.variables("Variables")
    if reserved := sorted(RESERVED_VARIABLES & variables.keys()):
        raise resource.error(
            f"{resource.logical_id} sets {reserved[0]}, which Lambda reserves: use another name.",
            "Environment",
        )
    return variables
