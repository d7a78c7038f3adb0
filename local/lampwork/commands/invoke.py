import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from lampwork.app import single_invocation
from lampwork.app.lock import running_origin
from lampwork.app.signals import run_until_signalled
from lampwork.commands.options import opened_log, options_of, run_options
from lampwork.commands.sam.command import command_of_sam
from lampwork.commands.sam.words import OF_ALL, OF_INVOKE, words
from lampwork.config.encodings import decoded
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError

INTERRUPTED: Final = 130
# These options give an invocation an environment of its own, even where a Lampwork runs.
CHANGING: Final = (
    *("env", "env_vars", "env_file", "parameter", "parameter_overrides", "template"),
    *("config_env", "config_file", "cold", "freeze", "region", "profile", "container_env_vars"),
    *("shell_env", "no_memory_limit", "python"),
)
GIVEN: Final = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)


@click.command(cls=command_of_sam("local_invoke"))
@click.argument("function", required=False)
@click.option("-e", "--event", type=click.File("rb"), help="A JSON file; - is standard input.")
@click.option("--no-event", is_flag=True, help="Send an empty event, as without --event.")
@click.option("--tenant-id", help="The tenant, for a function that isolates tenants.")
@click.option("--durable-execution-name", help="The name of the execution of a durable function.")
@click.option("--debug", is_flag=True, envvar="SAM_DEBUG", hidden=True, expose_value=False)
@run_options
@words(*OF_ALL, *OF_INVOKE)
def invoke(
    function: str | None,
    event: Any,
    no_event: bool,
    debug_port: int | None,
    log_file: Path | None,
    tenant_id: str | None,
    durable_execution_name: str | None,
    **given: Any,
) -> None:
    """Run a function once.

    Its result goes to standard output, its log to standard error.

    FUNCTION may be left out if the template has only one. A running `lampwork up` runs the
    function, unless an option asks for other variables, parameters or another template; else this
    command starts what the project needs, for this invocation only.
    """
    if event and no_event:
        raise ConfigurationError("Use either --event or --no-event, not both.")
    payload = payload_of(event)
    debug = function if debug_port is not None else None
    options = options_of(
        debug=debug, debug_port=debug_port, verbose=True, sam_command="local_invoke", **given
    )
    alone = debug or _changes_the_project(click.get_current_context())
    asked: Any = {"tenant": tenant_id, "execution": durable_execution_name}
    origin = None if alone else running_origin(options.read_config().data)
    name = function or single_invocation.only_function(options.read_config())
    if origin is None:
        log = opened_log(sys.stderr, log_file)
        result = run_until_signalled(
            single_invocation.invoke_alone(options, log, name, payload, **asked)
        )
    else:
        known = partial(single_invocation.functions_of, options.read_config())
        result = single_invocation.invoke_running(origin, name, payload, functions=known, **asked)
        result = single_invocation.explained(result, options.read_config(), name)
    if result is None:
        sys.exit(INTERRUPTED)
    text = single_invocation.readable_log(result.log, colours=sys.stderr.isatty())
    click.echo(text, err=True, nl=False)
    if log_file is not None and origin is not None:
        with log_file.open("a", encoding="utf-8") as file:
            file.write(text)
    click.echo(result.payload)
    if result.failed and event is None and not no_event:
        _suggest_event(options.read_config(), name)
    sys.exit(1 if result.failed else 0)


def _suggest_event(config: Config, name: str) -> None:
    """Without an event, a function of a route gets none of what it reads of a request."""
    route = single_invocation.route_of(config, name)
    if route is not None:
        method, path = route
        click.echo(
            f"{name} answers {method} {path}, and this event is empty. Send it a request:\n"
            f"  lampwork generate-event apigateway http-api-proxy --method {method} --path {path}"
            f" | lampwork invoke {name} -e -",
            err=True,
        )


def _changes_the_project(context: click.Context) -> bool:
    """Whether an option changes what a running Lampwork would run."""
    return any(context.get_parameter_source(each) in GIVEN for each in CHANGING)


def payload_of(event: Any) -> bytes:
    """The event in this file, as JSON; an empty one without a file.

    Raises:
        ConfigurationError: it cannot be read, or is not JSON.
    """
    if event is None:
        return b"{}"
    try:
        text = decoded(event.read())
    except ValueError as error:
        raise ConfigurationError(f"The event {event.name} cannot be read: {error}.") from error
    try:
        json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"The event {event.name} is not JSON: {error}.") from error
    return text.encode()
