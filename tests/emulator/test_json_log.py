"""The log of a function with `LogFormat: JSON`: what it contains and what it leaves out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lampwork.logs.json_records import as_text
from lampwork.logs.levels import level_of
from lampwork.logs.log import is_platform_line
from lampwork.stack.model import LogConfig
from tests.emulator.runtime_fixtures import function, running

JSON = LogConfig(json=True)
TALKATIVE = LogConfig(json=True, application_level="TRACE", system_level="DEBUG")
TERSE = LogConfig(json=True, application_level="WARN", system_level="WARN")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")

LOGGING = """
    import logging

    print("loading")

    def handler(event, context):
        print("printed")
        logger = logging.getLogger("shop")
        logger.setLevel(logging.DEBUG)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, "sold %s", event, extra={"price": 3})
        return "é"
"""
ENDING = """
    import os

    def handler(event, context):
        os._exit(3)
"""
FAILING = """
    def handler(event, context):
        raise ValueError("on purpose")
"""


def entries(log: bytes) -> list[Any]:
    """Each line, records with times and numbers of their own masked."""
    return [
        _masked(json.loads(line)) if line.startswith("{") else line
        for line in log.decode().splitlines()
    ]


def types(log: bytes) -> list[str]:
    return [entry["type"] for entry in entries(log) if "type" in entry]


async def test_lines_of_lambda_and_of_the_function_are_records(tmp_path: Path) -> None:
    async with running(function(tmp_path, LOGGING, log_config=JSON)) as run:
        first, second = await run.invoke(event="tea"), await run.invoke(event="milk")

    request = {
        "time": "<time>",
        "type": "platform.start",
        "record": {
            "requestId": first.request_id,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:app",
            "version": "$LATEST",
        },
    }
    metrics = {"durationMs": "#", "billedDurationMs": "#", "memorySizeMB": 128}
    metrics |= {"maxMemoryUsedMB": "#", "initDurationMs": "#"}
    report = {"requestId": first.request_id, "status": "success", "metrics": metrics}
    assert entries(first.log) == [
        {
            "time": "<time>",
            "type": "platform.initStart",
            "record": {
                "initializationType": "on-demand",
                "phase": "init",
                "runtimeVersion": "python:3.11",
                "functionName": "app",
                "functionVersion": "$LATEST",
            },
        },
        "loading",
        request,
        "printed",
        _logged("INFO", "sold tea", first.request_id),
        _logged("WARNING", "sold tea", first.request_id),
        {"time": "<time>", "type": "platform.report", "record": report},
    ]
    metrics = json.loads(first.log.splitlines()[-1])["record"]["metrics"]
    whole = metrics["durationMs"] + metrics["initDurationMs"]
    assert metrics["billedDurationMs"] == pytest.approx(whole, abs=1.01)
    assert types(second.log) == ["platform.start", "platform.report"]
    assert "initDurationMs" not in entries(second.log)[-1]["record"]["metrics"]
    assert [line for _, line in run.lines] == (first.log + second.log).decode().splitlines()


async def test_a_low_level_lets_more_lines_of_both_through(tmp_path: Path) -> None:
    async with running(function(tmp_path, LOGGING, log_config=TALKATIVE)) as run:
        log = (await run.invoke(event="tea")).log

    assert types(log) == [
        *("platform.initStart", "platform.initRuntimeDone", "platform.initReport"),
        *("platform.start", "platform.runtimeDone", "platform.report"),
    ]
    done = next(each for each in entries(log) if "runtimeDone" in str(each))["record"]
    assert done["metrics"] == {"durationMs": "#", "producedBytes": len('"\\u00e9"')}
    assert [each["level"] for each in entries(log) if "level" in each] == [
        *("DEBUG", "INFO", "WARNING"),
    ]


async def test_a_high_level_leaves_out_what_is_less_important(tmp_path: Path) -> None:
    app = function(tmp_path, LOGGING, log_config=TERSE)
    ending = function(tmp_path, ENDING, name="ending", log_config=TERSE)

    async with running(app, ending) as run:
        log, ended = (await run.invoke()).log, (await run.invoke("ending")).log

    assert [each["message"] for each in entries(log)] == ["sold None"]
    assert types(ended) == ["platform.runtimeDone", "platform.report"]


async def test_an_error_is_a_record_that_reads_as_in_a_log_of_text(tmp_path: Path) -> None:
    app = function(tmp_path, FAILING, log_config=JSON)
    text = function(tmp_path, FAILING, name="text")

    async with running(app, text) as run:
        invocation = await run.invoke()
        in_text = (await run.invoke("text")).log.decode().split("\n")

    *_, start, error, report = entries(invocation.log)
    assert start["type"] == "platform.start"
    assert error["errorType"] == "ValueError"
    assert report["record"]["status"] == "success"  # as on AWS: the function came to its end
    (line,) = [line for line in invocation.log.decode().splitlines() if "stackTrace" in line]
    (expected,) = [line for line in in_text if line.startswith("[ERROR]")]
    assert as_text(line) == expected.replace("\xa0", " ").replace("text.py", "app.py")


async def test_a_timeout_is_in_the_report_and_printed_for_the_user(tmp_path: Path) -> None:
    source = "import time\ndef handler(event, context): time.sleep(60)"
    app = function(tmp_path, source, timeout_seconds=0.2, log_config=JSON)

    async with running(app) as run:
        invocation = await run.invoke()

    *_, done, report = entries(invocation.log)
    assert done["record"]["status"] == report["record"]["status"] == "timeout"
    assert "errorType" not in report["record"]
    assert json.loads(invocation.log.splitlines()[-1])["record"]["metrics"]["durationMs"] == 200.0
    assert b"Task timed out" not in invocation.log
    (told,) = [line for _, line in run.lines if not is_platform_line(line)]
    assert told.endswith(f"{invocation.request_id} Task timed out after 0.20 seconds")


async def test_an_exit_is_in_the_report_and_printed_for_the_user(tmp_path: Path) -> None:
    async with running(function(tmp_path, ENDING, log_config=JSON)) as run:
        invocation = await run.invoke()

    assert entries(invocation.log)[-1]["record"]["errorType"] == "Runtime.ExitError"
    (told,) = [line for _, line in run.lines if not is_platform_line(line)]
    assert told.endswith("Error: Runtime exited with error: exit status 3")


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("import nowhere", {"status": "error", "errorType": "Runtime.ImportModuleError"}),
        ("1 / 0", {"status": "error", "errorType": "Runtime.Unknown"}),
        ("import os; os._exit(1)", {"status": "error", "errorType": "Runtime.ExitError"}),
        ("import time; time.sleep(60)", {"status": "timeout"}),
    ],
)
async def test_an_init_that_fails_has_a_report_of_its_own(
    tmp_path: Path, source: str, status: dict[str, str]
) -> None:
    app = function(tmp_path, source, log_config=JSON, timeout_seconds=0.2)

    async with running(app, init_seconds=0.5) as run:
        log = (await run.invoke()).log

    init = {"initializationType": "on-demand", "phase": "init", **status}
    assert [each["record"] for each in entries(log) if ".init" in str(each.get("type"))][1:] == [
        init,
        {**init, "metrics": {"durationMs": "#"}},
    ]


async def test_a_function_learns_its_format_level_and_group(tmp_path: Path) -> None:
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    config = LogConfig(json=True, application_level="ERROR", group="shared")
    app = function(tmp_path, source, log_config=config)
    text = function(tmp_path, source, name="text")

    async with running(app, text) as run:
        variables, in_text = await run.result(), await run.result("text")

    assert variables["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert variables["AWS_LAMBDA_LOG_LEVEL"] == "ERROR"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "shared"
    assert not in_text.keys() & {"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"}


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("plain", "INFO"),
        ('{"level": "debug", "timestamp": "2024-11-02T16:51:31.587199Z"}', "DEBUG"),
        ('{"level": "CRITICAL", "timestamp": "2024-11-02T16:51:31+01:00"}', "FATAL"),
        ('{"level": "debug"}', "INFO"),
        ('{"level": "debug", "timestamp": "yesterday"}', "INFO"),
        ('{"level": "debug", "timestamp": 7}', "INFO"),
        ('{"level": ["debug"], "timestamp": "2024-11-02T16:51:31Z"}', "INFO"),
        ('{"level": "debug", "timestamp": "2024-11-02T16:', "INFO"),
    ],
)
def test_a_printed_line_has_a_level_by_its_own_record_alone(line: str, level: str) -> None:
    assert level_of(line) == level


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            '{"timestamp": "T", "level": "INFO", "message": "sold tea", "logger": "shop",'
            ' "requestId": "7", "price": 3, "to": "the old man", "by": "me", "no": ""}',
            '[INFO]\tT\t7\tsold tea price=3 to="the old man" by=me no=""',
        ),
        (
            '{"timestamp": "T", "level": "INFO", "message": {"a": 1}, "logger": "shop"}',
            '[INFO]\tT\t\t{"a": 1}',
        ),
        (
            '{"timestamp": "T", "level": "ERROR", "message": "no tea", "logger": "shop",'
            ' "stackTrace": ["  File \\"a.py\\", line 3, in b\\n    c()\\n"],'
            ' "errorType": "KeyError", "errorMessage": "tea", "location": "a.py:b:4"}',
            "[ERROR]\tT\t\tno tea\rTraceback (most recent call last):"
            '\r  File "a.py", line 3, in b\r    c()\rKeyError: tea',
        ),
        (
            '{"timestamp": "T", "level": "ERROR", "message": "no tea", "logger": "another",'
            ' "stackTrace": "all in one"}',
            None,
        ),
        (
            '{"timestamp": "T", "level": "ERROR", "errorType": "E", "errorMessage": "tea",'
            ' "stackTrace": null}',
            None,
        ),
        ('{"timestamp": "T", "event": "of another form"}', None),
        ('{"timestamp": "T", "level": "INFO", "message": "cut o', None),
        ("plain", None),
    ],
)
def test_a_record_of_the_runtime_client_is_text_for_people(line: str, text: str | None) -> None:
    assert as_text(line) == (line if text is None else text)


def _logged(level: str, message: str, request_id: str) -> dict[str, Any]:
    return {
        "timestamp": "<time>",
        "level": level,
        "message": message,
        "logger": "shop",
        "requestId": request_id,
        "price": 3,
    }


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(each, key) for key, each in value.items()}
    if name in ("time", "timestamp") and TIME.fullmatch(value):
        return "<time>"
    return "#" if name.endswith(("DurationMs", "durationMs", "UsedMB")) else value
