"""One invocation of a function, by a project started for it or by a running Lampwork."""

import base64
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from lampwork.app.lock import DataLock
from lampwork.app.project.options import Options
from lampwork.app.project.project import Project
from lampwork.app.project.stack_loading import load_stack
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError, FunctionNotFound, LampworkError, StartError
from lampwork.front.lambda_api import PREFIX
from lampwork.logs.json_records import as_text
from lampwork.logs.log import Log, is_advice
from lampwork.logs.tracebacks import readable
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.handler_check import HandlerProblems, is_about_loading
from lampwork.stack.model import Function


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """`payload` is the function's JSON answer, or the JSON error if it `failed`. `log` is the part
    of its log that was not printed while it ran."""

    payload: str
    failed: bool
    log: str = ""


async def invoke_alone(options: Options, log: Log, name: str, payload: bytes) -> InvocationResult:
    """Start the project's services and commands, invoke the function once, and stop them.

    Raises:
        LampworkError: the project does not start, or it has no such function.
    """
    config = options.read_config()
    async with AsyncExitStack() as opened:
        lock = DataLock(config.data)
        lock.acquire()
        opened.callback(lock.release)
        project = Project(config, options, log, config.port)
        await project.open(opened)
        try:
            invocation = await project.functions.invoke(name, payload)
        except FunctionNotFound as error:
            raise _not_found(name, list(project.stack.functions)) from error
        return InvocationResult(invocation.payload.decode(), invocation.function_error is not None)


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


def invoke_running(origin: str, name: str, payload: bytes) -> InvocationResult:
    """Invoke a function of the Lampwork that runs at `origin`, as boto3 would.

    Raises:
        LampworkError: it has no such function, or refuses.
    """
    request = urllib.request.Request(
        f"{origin}{PREFIX}{urllib.parse.quote(name, safe='')}/invocations",
        data=payload,
        headers={"X-Amz-Log-Type": "Tail", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            log = base64.b64decode(response.headers.get("X-Amz-Log-Result", ""))
            failed = "X-Amz-Function-Error" in response.headers
            # The tail of the log may begin in the middle of a character.
            return InvocationResult(response.read().decode(), failed, log.decode(errors="replace"))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise _not_found(name, []) from error
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
        lines = list(_explained(lines, function))
    return replace(result, log="\n".join(lines))


def _explained(lines: Iterable[str], function: Function) -> Iterator[str]:
    said: list[str] = []
    problems = HandlerProblems(said.append)
    for line in lines:
        if not problems.explain(line, function):
            yield line
        yield from said
        said.clear()


def _not_found(name: str, functions: list[str]) -> FunctionNotFound:
    known = f" There are {', '.join(sorted(functions))}." if functions else ""
    return FunctionNotFound(f"There is no function {name!r}.{known} `lampwork routes` lists them.")
