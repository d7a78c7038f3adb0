import asyncio
import os
from pathlib import Path

import pytest

from tests.emulator.runtime_fixtures import function, running

SHOW = """
    import os, sys, time

    def handler(event, context):
        return {
            "variables": dict(os.environ),
            "folder": os.getcwd(),
            "path": sys.path[0],
            "input": sys.stdin.read(),
            "zone": time.tzname[0],
        }
"""
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
# and TMPDIR, since /tmp is not the environment's own here.
ON_LAMBDA = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PWD",
    "PYTHONPATH",
    "SHLVL",
    "TMPDIR",
    "TZ",
}


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_function_sees_the_environment_of_lambda_and_nothing_of_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: bool
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "x")
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    async with running(function(tmp_path, SHOW), cold=cold) as run:
        seen = await run.result()

    assert set(seen["variables"]) == ON_LAMBDA
    assert seen["folder"] == seen["path"] == str(tmp_path)
    assert seen["input"] == ""
    assert seen["zone"] == "UTC"


async def test_a_forked_function_has_no_more_files_open_than_one_started_cold(
    tmp_path: Path,
) -> None:
    source = """
        import os

        def handler(event, context):
            files = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
            # The folder's own, while it was listed, is closed by now.
            return sorted(os.readlink(file).partition(":")[0]
                          for file in files if os.path.lexists(file))
    """
    app, other = function(tmp_path, source), function(tmp_path, source, name="other")

    async with running(app, other) as run:
        await run.result("other")
        forked = await run.result()
    async with running(app, cold=True) as run:
        cold = await run.result()

    assert forked == cold


async def test_the_log_stream_and_memory_are_the_functions(tmp_path: Path) -> None:
    app = function(tmp_path, SHOW, memory_mb=512, region="eu-west-1")

    async with running(app) as run:
        variables = (await run.result())["variables"]

    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "app"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/app"
    assert "[$LATEST]" in variables["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"


async def test_overrides_win_over_the_template_and_the_template_over_defaults(
    tmp_path: Path,
) -> None:
    app = function(
        tmp_path,
        SHOW,
        environment={
            "TABLE": "template",
            "AWS_ENDPOINT_URL": "https://template",
            "TZ": "Europe/Berlin",
            "AWS_LAMBDA_FUNCTION_NAME": "reserved",
        },
    )
    defaults = {"TABLE": "default", "LEVEL": "default"}
    overrides = {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}

    async with running(app, defaults=defaults, overrides=overrides) as run:
        seen = await run.result()

    assert seen["variables"]["TABLE"] == "template"
    assert seen["variables"]["LEVEL"] == "default"
    assert seen["variables"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5000"
    assert seen["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == "app"
    assert seen["zone"] == "CET"


async def test_forked_functions_draw_different_random_numbers(tmp_path: Path) -> None:
    source = """
        import random

        import numpy

        def handler(event, context):
            return [random.random(), float(numpy.random.random())]
    """
    names = ["one", "two"]

    async with running(*(function(tmp_path, source, name=name) for name in names)) as run:
        one, two = [await run.result(name) for name in names]

    assert one[0] != two[0]
    assert one[1] != two[1]


async def test_a_function_leads_a_session_of_its_own(tmp_path: Path) -> None:
    source = """
        import os

        def handler(event, context):
            return [os.getpid(), os.getsid(0), os.getpgrp()]
    """
    async with running(function(tmp_path, source)) as run:
        pid, session, group = await run.result()

    assert pid == session == group != os.getpid()


async def test_a_function_may_open_as_many_files_as_on_lambda(tmp_path: Path) -> None:
    source = """
        import resource

        def handler(event, context):
            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    """
    async with running(function(tmp_path, source)) as run:
        assert await run.result() == 1024


@pytest.mark.parametrize("cold", [False, True])
async def test_a_function_that_is_handed_a_request_does_not_take_the_emulators_core(
    tmp_path: Path, cold: bool
) -> None:
    source = """
        import os

        def handler(event, context):
            return os.sched_getscheduler(0)
    """
    async with running(function(tmp_path, source), cold=cold) as run:
        assert await run.result() == os.SCHED_BATCH


async def test_a_frozen_function_makes_no_progress_between_requests(tmp_path: Path) -> None:
    source = """
        import threading, time

        ticks = 0

        def tick():
            global ticks
            while True:
                time.sleep(0.005)
                ticks += 1

        threading.Thread(target=tick, daemon=True).start()

        def handler(event, context):
            before = ticks
            time.sleep(event)
            return [before, ticks]
    """
    async with running(function(tmp_path, source), freeze=True) as run:
        _, when_it_ended = await run.result(event=0.1)
        await asyncio.sleep(0.3)
        when_it_went_on, at_last = await run.result(event=0.1)

    assert when_it_went_on - when_it_ended < 30  # of the sixty there would be
    assert at_last > when_it_went_on
