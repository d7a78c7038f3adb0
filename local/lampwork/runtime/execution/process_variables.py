import uuid
from datetime import UTC, datetime
from pathlib import Path

from lampwork.permissions.callers import known_by_token
from lampwork.runtime.launching.start_variables import usual_variables
from lampwork.runtime.programs.node import node
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.places import Places
from lampwork.stack.model import Function, LogConfig

# As on Lambda. Nothing listens there, because the runtime client has a socket of its own.
RUNTIME_API = "127.0.0.1:9001"


def process_variables(
    function: Function, settings: RuntimeSettings, trace_id: str, places: Places
) -> dict[str, str]:
    """All environment variables of a function's process, as on Lambda.

    A template cannot change the reserved ones; only the settings' overrides can.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    variables = {
        **_changeable(function, settings, places),
        **(_of_node(function, settings, places) if function.is_node else _of_python(places)),
        "TMPDIR": places.temporary,  # Lambda does not set it: there, it is always /tmp
        **settings.defaults,
        **function.environment,
        **_reserved(function, trace_id, places),
        **settings.overrides,
    }
    return known_by_token(variables, function.logical_id)


def _changeable(function: Function, settings: RuntimeSettings, places: Places) -> dict[str, str]:
    return {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "PWD": places.task,
        "SHLVL": "0",
        **usual_variables(settings.python_of(function).path, places.task, places.layers),
    }


def _of_python(places: Places) -> dict[str, str]:
    return {"PYTHONPATH": ":".join([*places.packages, "/var/runtime"])}


def _of_node(function: Function, settings: RuntimeSettings, places: Places) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html"""
    version = function.runtime.removeprefix("nodejs").partition(".")[0]
    own = [
        f"{layer}/nodejs/{name}"
        for layer in places.layers
        for name in (f"node{version}/node_modules", "node_modules")
    ]
    variables = {"NODE_PATH": ":".join([*own, "/var/runtime/node_modules"])}
    if command := node():
        programs = (str(Path(command).parent), "/usr/local/bin", "/usr/bin", "/bin")
        variables["PATH"] = ":".join([*programs, *(f"{layer}/bin" for layer in places.layers)])
    if bundle := settings.defaults.get("SSL_CERT_FILE"):
        variables["NODE_EXTRA_CA_CERTS"] = bundle
    return variables


def _reserved(function: Function, trace_id: str, places: Places) -> dict[str, str]:
    return {
        "_HANDLER": function.handler,
        "_X_AMZN_TRACE_ID": trace_id,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        **_log_variables(function.log_config),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": _log_stream(function.version),
        "AWS_LAMBDA_RUNTIME_API": RUNTIME_API,
        "AWS_REGION": function.region,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": places.task,
    }


def _log_variables(config: LogConfig) -> dict[str, str]:
    """The variables by which AWS's runtime client sets up `logging`.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    if not config.json:
        return {}
    return {
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": config.application_level,
    }


def _log_stream(version: str) -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid.uuid4().hex}"
