import base64
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from lampwork.app.lock import DataLock, running
from lampwork.app.project import Options, Project, load_stack
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError, FunctionNotFound, LampworkError, StartError
from lampwork.front.lambda_api import PREFIX
from lampwork.logs.json_records import as_text
from lampwork.logs.log import Log, is_advice
from lampwork.logs.tracebacks import readable
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.handlers import Problems, is_about_loading
from lampwork.stack.model import Function


@dataclass(frozen=True, slots=True)
class Outcome:
    """`log` is what has not been printed while the function ran."""

    payload: str
    failed: bool
    log: str = ""


async def invoke_alone(options: Options, log: Log, name: str, payload: bytes) -> Outcome:
    """Start the project's services and commands for one request, and stop them.

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
        return Outcome(invocation.payload.decode(), invocation.function_error is not None)


def only_function(config: Config) -> str:
    """The function that is meant where none is named.

    Raises:
        ConfigurationError: the template has several, or none.
    """
    functions = load_stack(config, "http://localhost").functions
    if len(functions) != 1:
        raise ConfigurationError(
            f"Name the function to invoke. There are {', '.join(sorted(functions)) or 'none'}."
        )
    return next(iter(functions))


def origin_of_running(data: Path) -> str | None:
    """Where a Lampwork that uses this data folder answers, if there is one."""
    owner = running(data)
    return owner.origin if owner else None


def invoke_running(origin: str, name: str, payload: bytes) -> Outcome:
    """Send the request to a running Lampwork, as boto3 would.

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
            # The log's tail may begin within a letter.
            return Outcome(response.read().decode(), failed, log.decode(errors="replace"))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise _not_found(name, []) from error
        raise LampworkError(f"{origin} refused: {error.read().decode()}") from error
    except urllib.error.URLError as error:
        raise StartError(f"{origin} does not answer: {error.reason}.") from error


def readable_log(log: str, *, colours: bool) -> str:
    """A request's log with the lines of its tracebacks apart, which AWS's client joins by `\\r`."""
    return "\n".join(
        part for line in log.split("\n") for part in readable(line.split("\r"), colours=colours)
    )


def explained(outcome: Outcome, config: Config, name: str) -> Outcome:
    """With a log to read, and what is wrong with a function that cannot be loaded, as `lampwork up`
    has told it.

    Raises:
        LampworkError: the template cannot be read any more.
    """
    lines = [as_text(line) for line in outcome.log.split("\n") if not is_advice(line)]
    if any(map(is_about_loading, lines)):
        stack = load_stack(config, "http://localhost")
        function = FunctionNames(stack.functions).get(name)
        lines = list(_explained(lines, function))
    return replace(outcome, log="\n".join(lines))


def _explained(lines: Iterable[str], function: Function) -> Iterator[str]:
    said: list[str] = []
    problems = Problems(said.append)
    for line in lines:
        if not problems.explain(line, function):
            yield line
        yield from said
        said.clear()


def _not_found(name: str, functions: list[str]) -> FunctionNotFound:
    known = f" There are {', '.join(sorted(functions))}." if functions else ""
    return FunctionNotFound(f"There is no function {name!r}.{known} `lampwork routes` lists them.")
