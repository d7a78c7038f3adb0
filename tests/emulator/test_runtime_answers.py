import asyncio
import json
import re
from pathlib import Path

import pytest

from lampwork.errors import FunctionNotFound
from lampwork.logs.log import is_platform_line
from tests.emulator.runtime_fixtures import function, running, write

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
ECHO = """
    def handler(event, context):
        return event
"""


@pytest.mark.assertion(12)
async def test_a_function_gets_its_event_and_its_result_comes_back(tmp_path: Path) -> None:
    async with running(function(tmp_path, ECHO)) as run:
        assert await run.result(event={"name": "Lämpchen"}) == {"name": "Lämpchen"}


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_handlers_in_packages_are_named_by_dots_or_slashes(
    tmp_path: Path, cold: bool
) -> None:
    write(tmp_path, "text.greeting", "TEXT = 'hello'")
    write(
        tmp_path,
        "web.greet",
        """
        from text.greeting import TEXT

        def handler(event, context):
            return TEXT
        """,
    )
    dots = function(tmp_path, ECHO, name="dots")
    slashes = function(tmp_path, ECHO, name="slashes")
    object.__setattr__(dots, "handler", "web.greet.handler")
    object.__setattr__(slashes, "handler", "web/greet.handler")

    async with running(dots, slashes, cold=cold) as run:
        assert await run.result("dots") == "hello"
        assert await run.result("slashes") == "hello"


@pytest.mark.parametrize(
    "name",
    [
        "App",
        "app",
        "app:$LATEST",
        "000000000000:function:app",
        "arn:aws:lambda:us-east-1:000000000000:function:app",
        "arn:aws:lambda:us-east-1:000000000000:function:app:live",
    ],
)
async def test_a_function_is_found_by_id_name_or_arn(tmp_path: Path, name: str) -> None:
    async with running(function(tmp_path, ECHO)) as run:
        assert await run.result(name, 1) == 1


async def test_an_unknown_function_is_not_found(tmp_path: Path) -> None:
    async with running(function(tmp_path, ECHO)) as run:
        with pytest.raises(FunctionNotFound, match="Function not found: other"):
            await run.invoke("other")


async def test_the_context_tells_about_the_request(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            return {
                "id": context.aws_request_id,
                "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(),
                "client": context.client_context.custom,
            }
    """
    app = function(tmp_path, source, timeout_seconds=7, memory_mb=256)

    async with running(app) as run:
        invocation = await run.invoke(client_context='{"custom": {"trace": "42"}}')

    context = json.loads(invocation.payload)
    assert context["id"] == invocation.request_id
    assert context["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:app"
    assert context["memory"] == "256"
    assert 6000 < context["left"] <= 7000
    assert context["client"] == {"trace": "42"}


@pytest.mark.assertion(12)
async def test_an_exception_is_reported_with_its_stack(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            raise ValueError("no such picture")
    """
    async with running(function(tmp_path, source)) as run:
        invocation = await run.invoke()

    error = json.loads(invocation.payload)
    assert invocation.function_error == "Unhandled"
    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such picture"
    assert error["requestId"] == invocation.request_id
    assert "line 3, in handler" in error["stackTrace"][0]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (
            "import missing_module",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'missing_module'",
        ),
        ("", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            "def handler(:",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': invalid syntax (app.py, line 1)",
        ),
        ("{}['absent']", "KeyError", "'absent'"),
    ],
    ids=["import", "missing", "syntax", "exception"],
)
@pytest.mark.assertion(12)
async def test_a_function_that_cannot_be_loaded_says_why_and_leaves_others_working(
    tmp_path: Path, source: str, kind: str, message: str
) -> None:
    broken, other = function(tmp_path, source), function(tmp_path, ECHO, name="other")

    async with running(broken, other) as run:
        first, second = await run.error(), await run.error()
        well = await run.result("other", 1)

    assert (first["errorType"], first["errorMessage"], first["requestId"]) == (kind, message, "")
    assert second == first
    assert well == 1


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("sys.exit()", "Runtime exited without providing a reason"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(4)", "Runtime exited with error: exit status 4"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
@pytest.mark.assertion(12)
async def test_a_function_that_ends_its_process_gives_an_exit_error(
    tmp_path: Path, ending: str, reason: str, cold: bool
) -> None:
    source = f"""
        import os, sys

        def handler(event, context):
            if event == "end":
                {ending}
            return "well"
    """
    async with running(function(tmp_path, source), cold=cold) as run:
        error = await run.error(event="end")
        afterwards = await run.result()

    assert error == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: <id> Error: {reason}",
    }
    assert afterwards == "well"


async def test_a_function_that_ends_its_process_while_it_loads_gives_an_exit_error(
    tmp_path: Path,
) -> None:
    async with running(function(tmp_path, "import os; os._exit(7)")) as run:
        error = await run.error()

    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 7")


@pytest.mark.assertion(12)
async def test_a_request_out_of_time_is_ended_and_the_next_starts_afresh(tmp_path: Path) -> None:
    source = """
        import time

        served = 0

        def handler(event, context):
            global served
            served += 1
            time.sleep(event)
            return served
    """
    async with running(function(tmp_path, source, timeout_seconds=0.5)) as run:
        before = [await run.result(event=0), await run.result(event=0)]
        error = await run.error(event=60)
        afterwards = await run.result(event=0)

    assert before == [1, 2]
    assert error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: <id> Error: Task timed out after 0.50 seconds",
    }
    assert afterwards == 1


async def test_a_function_that_loads_too_slowly_is_loaded_again_in_the_requests_time(
    tmp_path: Path,
) -> None:
    source = """
        import pathlib, time

        if not pathlib.Path("tried").exists():
            pathlib.Path("tried").touch()
            time.sleep(60)

        def handler(event, context):
            return "loaded"
    """
    async with running(function(tmp_path, source), init_seconds=0.3) as run:
        assert await run.result() == "loaded"


async def test_a_function_that_never_loads_times_out_with_its_request(tmp_path: Path) -> None:
    app = function(tmp_path, "import time; time.sleep(60)", timeout_seconds=0.3)

    async with running(app, init_seconds=0.2) as run:
        error = await run.error()

    assert error["errorMessage"] == "RequestId: <id> Error: Task timed out after 0.30 seconds"
    (report,) = [line for _, line in run.lines if line.startswith("INIT_REPORT")]
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout", report
    )


@pytest.mark.assertion(12)
async def test_a_response_may_have_6_291_556_bytes_and_no_more(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            return "x" * (event - 2)
    """
    async with running(function(tmp_path, source, memory_mb=512)) as run:
        fits = await run.invoke(event=6_291_556)
        error = await run.error(event=6_291_557)
        afterwards = await run.result(event=3)

    assert len(fits.payload) == 6_291_556
    assert error == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": (
            "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        ),
    }
    assert afterwards == "x"
    assert [line for _, line in run.lines if not is_platform_line(line)] == [
        "[ERROR] Function.ResponseSizeTooLarge: The function's answer has 6291557 bytes; Lambda"
        " takes 6291556."
    ]


async def test_a_function_above_its_memory_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = """
        import time

        def handler(event, context):
            held = bytearray(event * 1024 * 1024)
            time.sleep(30 if event > 128 else 0)
            return len(held)
    """
    async with running(function(tmp_path, source, memory_mb=128, timeout_seconds=20)) as run:
        error = await run.error(event=300)
        afterwards = await run.result(event=1)

    assert (
        error["errorMessage"] == "RequestId: <id> Error: Runtime exited with error: signal: killed"
    )
    assert afterwards == 1024 * 1024
    (warning,) = [each for each in caplog.records if each.name.startswith("lampwork")]
    assert warning.getMessage() == "a function was ended because it held more memory than it may"
    assert vars(warning)["memory_size"] == "128 MB"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("time.sleep(60)", "Status: timeout"),
        ("os._exit(1)", "Status: error\tError Type: Runtime.ExitError"),
        (
            "held = bytearray(300 << 20); time.sleep(60)",
            "Status: error\tError Type: Runtime.OutOfMemory",
        ),
        ("raise ValueError", ""),  # an end of its own
    ],
)
async def test_the_report_of_a_request_says_what_ended_it(
    tmp_path: Path, code: str, status: str
) -> None:
    source = f"""
        import os, time

        def handler(event, context):
            {code}
    """
    seconds = 0.5 if status.endswith("timeout") else 20
    async with running(function(tmp_path, source, timeout_seconds=seconds)) as run:
        ended = await run.invoke()

    assert _masked(ended.log)[-1].endswith(
        f"\tMax Memory Used: # MB\tInit Duration: # ms\t{status}"
    )


async def test_a_function_that_cannot_be_loaded_has_an_init_report(tmp_path: Path) -> None:
    async with running(function(tmp_path, "import nowhere")) as run:
        ended = await run.invoke()

    lines = _masked(ended.log)
    status = "Status: error\tError Type: Runtime.ImportModuleError"
    assert f"INIT_REPORT Init Duration: # ms\tPhase: init\t{status}" in lines
    assert lines[-1].endswith(status)


@pytest.mark.assertion(13)
async def test_the_log_of_a_request_is_complete_and_its_own(tmp_path: Path) -> None:
    source = """
        import logging

        print("loading")

        def handler(event, context):
            print("printed", event)
            logging.getLogger().warning("logged %s", event)
            print("no end of line", end="")
    """
    async with running(function(tmp_path, source)) as run:
        first, second = await run.invoke(event="one"), await run.invoke(event="two")

    assert _masked(first.log) == [
        "INIT_START Runtime Version: python:3.11",
        "loading",
        "START RequestId: <id> Version: $LATEST",
        "printed one",
        "[WARNING]\t<time>\t<id>\tlogged one",
        "no end of line",
        "END RequestId: <id>",
        "REPORT RequestId: <id>\tDuration: # ms\tBilled Duration: # ms\tMemory Size: 128 MB\t"
        "Max Memory Used: # MB\tInit Duration: # ms\t",
    ]
    assert _masked(second.log) == [
        "START RequestId: <id> Version: $LATEST",
        "printed two",
        "[WARNING]\t<time>\t<id>\tlogged two",
        "no end of line",
        "END RequestId: <id>",
        "REPORT RequestId: <id>\tDuration: # ms\tBilled Duration: # ms\tMemory Size: 128 MB\t"
        "Max Memory Used: # MB\t",
    ]
    assert first.init_ms is not None
    assert second.init_ms is None
    assert [line for _, line in run.lines] == (first.log + second.log).decode().splitlines()


async def test_the_init_is_billed_with_the_first_request(tmp_path: Path) -> None:
    source = """
        import time

        time.sleep(0.2)

        def handler(event, context):
            return None
    """
    async with running(function(tmp_path, source)) as run:
        first, second = await run.invoke(), await run.invoke()

    assert _unaccounted(first.log) >= 200
    assert _unaccounted(second.log) < 1  # rounded up


async def test_a_hundred_lines_right_before_the_response_are_in_its_log(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            for number in range(100):
                print("line", number, "x" * 500)
    """
    async with running(function(tmp_path, source)) as run:
        for _ in range(20):
            invocation = await run.invoke()
            assert invocation.log.count(b"\nline ") == 100


async def test_a_line_longer_than_a_pipe_is_logged_whole(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            print("x" * 200_000)
    """
    async with running(function(tmp_path, source)) as run:
        await run.invoke()

    assert ("app", "x" * 200_000) in run.lines


async def test_a_caller_who_leaves_does_not_stop_the_request(tmp_path: Path) -> None:
    source = """
        import time

        def handler(event, context):
            print("begun")
            time.sleep(0.2)
            print("finished")
    """
    async with running(function(tmp_path, source)) as run:
        caller = asyncio.create_task(run.invoke())
        await run.printed("begun")
        caller.cancel()
        await run.printed("finished")


def _masked(log: bytes) -> list[str]:
    text = re.sub(UUID, "<id>", log.decode())
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r"(Duration|Used): [\d.]+", r"\1: #", text)
    return text.splitlines()


def _unaccounted(log: bytes) -> float:
    """What is billed above the duration, in milliseconds."""
    ((duration, billed),) = re.findall(
        r"\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms", log.decode()
    )
    return float(billed) - float(duration)
