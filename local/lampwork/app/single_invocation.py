"""One invocation of a function, by a project started for it or by a running Lampwork."""

import base64
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lampwork.app.alone.opening import opened_alone
from lampwork.app.project.options import Options
from lampwork.app.project.stack_loading import load_stack
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError, FunctionNotFound, LampworkError, StartError
from lampwork.front.lambda_api import PREFIX
from lampwork.logs.json_records import as_text
from lampwork.logs.log import Log, is_advice
from lampwork.logs.tracebacks import readable
from lampwork.stack.function_names import (
    FunctionNames,
    invocation_name,
    qualifier_in,
    suggestion,
    tenant_name,
)
from lampwork.stack.handler_check import HandlerProblems, is_about_loading
from lampwork.stack.missing_modules import MissingModules
from lampwork.stack.model import LATEST, Function, Stack


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """`payload` is the function's JSON answer, or the JSON error if it `failed`. `log` is the part
    of its log that was not printed while it ran."""

    payload: str
    failed: bool
    log: str = ""


async def invoke_alone(
    options: Options,
    log: Log,
    name: str,
    payload: bytes,
    *,
    tenant: str | None = None,
    execution: str | None = None,
) -> InvocationResult:
    """Start what the invocation of a function needs, invoke it once, and stop everything.

    A Lampwork that runs with the same template lends its services. With another template, this
    invocation has services and data of its own, for as long as it lasts.

    Raises:
        LampworkError: the project does not start, or it has no such function.
    """
    async with opened_alone(options, log) as alone:
        project, durable, events = alone.project, alone.durable, alone.events
        target = _target(project.stack, name, tenant, execution)
        invocation = await durable.invoke(target, payload, request_id=execution)
        await events.tried()
        return InvocationResult(invocation.payload.decode(), invocation.function_error is not None)


def _target(stack: Stack, name: str, tenant: str | None, execution: str | None) -> str:
    """The function that a user names, with the alias or the version that they name.

    Raises:
        FunctionNotFound: there is none.
        ConfigurationError: the user names an execution, and the function has none.
    """
    function = FunctionNames(stack.functions).called(name)
    qualifier = qualifier_in(name)
    if function is None or qualifier not in (None, LATEST, *function.qualifiers):
        raise _not_found(name, list(stack.functions))
    if execution and not function.durable:
        raise ConfigurationError(f"{name} has no DurableConfig: it has no executions to name.")
    target = invocation_name(function, qualifier)
    return tenant_name(target, tenant) if tenant else target


def only_function(config: Config) -> str:
    """The template's only function, by its logical id.

    Raises:
        ConfigurationError: the template has several functions, or none.
    """
    functions = load_stack(config, "http://localhost").functions
    if len(functions) != 1:
        raise ConfigurationError(
            f"Name the function to invoke. There are {', '.join(sorted(functions)) or 'none'}."
        )
    return next(iter(functions))


def functions_of(config: Config) -> Collection[str]:
    """The logical ids of the template's functions."""
    return load_stack(config, "http://localhost").functions


def route_of(config: Config, name: str) -> tuple[str, str] | None:
    """The method and the path of the first route that leads to this function."""
    stack = load_stack(config, "http://localhost")
    function = FunctionNames(stack.functions).get(name)
    routes = (route for api in stack.http_apis for route in api.routes)
    found = (each for each in routes if each.function == function.logical_id)
    return next(((each.method, each.path) for each in found), None)


def invoke_running(
    origin: str,
    name: str,
    payload: bytes,
    *,
    functions: Callable[[], Collection[str]] = tuple,
    tenant: str | None = None,
    execution: str | None = None,
) -> InvocationResult:
    """Invoke a function of the Lampwork that runs at `origin`, as boto3 would.

    Raises:
        LampworkError: it has no such function, or refuses.
    """
    headers = {"X-Amz-Log-Type": "Tail", "Content-Type": "application/json"}
    if tenant:
        headers["X-Amz-Tenant-Id"] = tenant
    if execution:
        headers["X-Amz-Durable-Execution-Name"] = execution
    request = urllib.request.Request(
        f"{origin}{PREFIX}{urllib.parse.quote(name, safe='')}/invocations",
        data=payload,
        headers=headers,
    )
    try:
        with urllib.request.urlopen(request) as response:
            log = base64.b64decode(response.headers.get("X-Amz-Log-Result", ""))
            failed = "X-Amz-Function-Error" in response.headers
            # The tail of the log may begin in the middle of a character.
            return InvocationResult(response.read().decode(), failed, log.decode(errors="replace"))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise _not_found(name, functions()) from error
        answer = error.read().decode()
        raise LampworkError(f"{origin} refused the invocation: {answer}") from error
    except urllib.error.URLError as error:
        raise StartError(f"{origin} does not answer: {error.reason}.") from error


def readable_log(log: str, *, colours: bool) -> str:
    """A request's log with each line of a traceback on its own: AWS's runtime client joins them
    with `\\r`."""
    return "\n".join(
        part for line in log.split("\n") for part in readable(line.split("\r"), colours=colours)
    )


def explained(result: InvocationResult, config: Config, name: str) -> InvocationResult:
    """The result with a readable log. If the function cannot be loaded, the log says why, in the
    words of `lampwork up`.

    Raises:
        LampworkError: the template can no longer be read.
    """
    lines = [as_text(line) for line in result.log.split("\n") if not is_advice(line)]
    if any(map(is_about_loading, lines)):
        stack = load_stack(config, "http://localhost")
        function = FunctionNames(stack.functions).get(name)
        lines = list(_explained(lines, function, config.template.parent))
    return replace(result, log="\n".join(lines))


def _explained(lines: Iterable[str], function: Function, root: Path) -> Iterator[str]:
    said: list[str] = []
    missing = MissingModules(root, said.append)
    problems = HandlerProblems(said.append)
    for line in lines:
        if not problems.explain(line, function):
            yield line
        missing.read(line, function)
        yield from said
        said.clear()


def _not_found(name: str, functions: Collection[str]) -> FunctionNotFound:
    meant = suggestion(name, functions)
    known = f" There are {', '.join(sorted(functions))}." if functions and not meant else ""
    return FunctionNotFound(
        f"There is no function {name!r}{meant}.{known} `lampwork routes` lists them."
    )
