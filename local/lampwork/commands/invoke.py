import json
import sys
from typing import Any, Final

import click

from lampwork.app import one_shot as invoking
from lampwork.app.signals import run_until_signalled
from lampwork.commands.options import log_to, options_of, run_options
from lampwork.errors import ConfigurationError
from lampwork.logs.log import Log

INTERRUPTED: Final = 130


@click.command()
@click.argument("function", required=False)
@click.option("-e", "--event", type=click.File("rb"), help="A JSON file; - is standard input.")
@click.option("--no-event", is_flag=True, help="An empty event, as without --event.")
@run_options
def invoke(
    function: str | None, event: Any, no_event: bool, debug_port: int | None, **given: Any
) -> None:
    """Run a function once: its result on standard output, its log on standard error.

    FUNCTION may be left out where the template has only one. A running `lampwork up` serves it;
    without one, what the project needs is started for the call.
    """
    if event and no_event:
        raise ConfigurationError("--event and --no-event exclude each other.")
    payload = _payload(event)
    debug = function if debug_port is not None else None
    options = options_of(debug=debug, debug_port=debug_port, verbose=True, **given)
    origin = None if debug else invoking.origin_of_running(options.read_config().data)
    name = function or invoking.only_function(options.read_config())
    if origin is None:
        log = log_to(Log(sys.stderr))
        outcome = run_until_signalled(invoking.invoke_alone(options, log, name, payload))
    else:
        outcome = invoking.invoke_running(origin, name, payload)
        outcome = invoking.explained(outcome, options.read_config(), name)
    if outcome is None:
        sys.exit(INTERRUPTED)
    text = invoking.readable_log(outcome.log, colours=sys.stderr.isatty())
    click.echo(text, err=True, nl=False)
    click.echo(outcome.payload)
    sys.exit(1 if outcome.failed else 0)


def _payload(event: Any) -> bytes:
    content: bytes = event.read() if event else b"{}"
    try:
        json.loads(content)
    except ValueError as error:
        raise ConfigurationError(f"The event {event.name} is not JSON: {error}.") from error
    return content
