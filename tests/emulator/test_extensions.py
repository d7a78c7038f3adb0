"""Extensions of layers: programs beside the function, told of its life by the Extensions API.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

import asyncio
import json
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import Running, function, running

EXTENSION = """
    #!/usr/bin/env python3
    import json, os, signal, sys, time
    from pathlib import Path
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
    NAME = Path(__file__).name

    def ask(path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{API}/{path}", data=data, headers=named)) as answer:
            return dict(answer.headers), json.loads(answer.read())

    def register(*events, name=NAME):
        headers, told = ask("register", {"events": events}, Lambda_Extension_Name=name)
        return headers["Lambda-Extension-Identifier"], told

    def following(identifier):
        return ask("event/next", Lambda_Extension_Identifier=identifier)[1]

    def note(text):
        print(f"{NAME}: {text}", flush=True)

    def serve(identifier):
        while True:
            event = following(identifier)
            note(event["eventType"])
            yield event
            if event["eventType"] == "SHUTDOWN":
                break
"""
ORDINARY = """
    identifier, told = register("INVOKE", "SHUTDOWN")
    note(json.dumps(told))
    for event in serve(identifier):
        Path(os.environ["TMPDIR"], "seen").write_text(json.dumps(event))
"""
FUNCTION = """
    import os, pathlib, time

    def handler(event, context):
        time.sleep(0.05)
        seen = pathlib.Path(os.environ["TMPDIR"], "seen")
        return {"id": context.aws_request_id, "seen": seen.exists() and seen.read_text()}
"""


def extended(folder: Path, *programs: str, source: str = FUNCTION, **options: Any) -> Function:
    """A function with a layer that brings these extensions, `watch0`, `watch1` and so on."""
    extensions = folder / "layer" / "extensions"
    extensions.mkdir(parents=True)
    for number, program in enumerate(programs):
        file = extensions / f"watch{number}"
        file.write_text(dedent(EXTENSION).lstrip() + dedent(program))
        file.chmod(0o755)
    code = folder / "code"
    return function(code, source, layers=(folder / "layer",), timeout_seconds=5, **options)


def printed(run: Running) -> list[str]:
    return [line for _, line in run.lines]


async def test_an_extension_is_told_of_each_request_and_of_the_end(tmp_path: Path) -> None:
    async with running(extended(tmp_path, ORDINARY), freeze=True) as run:
        answer = await run.result()
        event = json.loads(answer["seen"])
        assert event["eventType"] == "INVOKE"
        assert event["requestId"] == answer["id"]
        assert event["invokedFunctionArn"].endswith(":function:app")
        assert event["tracing"]["type"] == "X-Amzn-Trace-Id"
        assert event["tracing"]["value"].startswith("Root=1-")
        assert abs(event["deadlineMs"] - time.time() * 1000) < 6000
        again = await run.result()
        assert json.loads(again["seen"])["requestId"] == again["id"]

    lines = printed(run)
    described = {"functionName": "app", "functionVersion": "$LATEST", "handler": "app.handler"}
    assert f"watch0: {json.dumps(described)}" in lines
    assert "EXTENSION\tName: watch0\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in lines
    assert lines.count("watch0: INVOKE") == 2
    assert lines[-1] == "watch0: SHUTDOWN"


async def test_the_answer_does_not_wait_for_an_extension_but_the_next_request_does(
    tmp_path: Path,
) -> None:
    slow = """
    for event in serve(register("INVOKE")[0]):
        time.sleep(0.4)
        note("flushed")
    """
    quick = extended(tmp_path, slow, source="def handler(*_): pass")
    async with running(quick, max_environments=1) as run:  # with more, another one would serve it
        await run.result()
        at_the_first_answer = printed(run).count("watch0: flushed")
        await run.result()
        at_the_second_answer = printed(run).count("watch0: flushed")

    assert (at_the_first_answer, at_the_second_answer) == (0, 1)


async def test_an_extension_gets_no_variables_of_the_runtime(tmp_path: Path) -> None:
    program = """
    note(json.dumps(sorted(os.environ)))
    note(os.getcwd())
    for event in serve(register()[0]):
        pass
    """
    async with running(extended(tmp_path, program, environment={"COLOUR": "red"})) as run:
        await run.result()

    told = next(line for line in printed(run) if line.startswith("watch0: ["))
    names = json.loads(told.removeprefix("watch0: "))
    assert {"COLOUR", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME"} <= set(names)
    assert not {"_HANDLER", "LAMBDA_TASK_ROOT", "LAMPWORK_TASK"} & set(names)
    assert "watch0: /" in printed(run)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("sys.exit(3)", "watch0: exit status 3"),
        ("register(); sys.exit(4)", "watch0: exit status 4"),
        (
            """
            identifier, _ = register()
            ask("init/error", {}, Lambda_Extension_Identifier=identifier,
                Lambda_Extension_Function_Error_Type="Extension.NoKey")
            time.sleep(60)
            """,
            "watch0: Extension.NoKey",
        ),
    ],
)
async def test_an_extension_that_fails_at_the_start_fails_the_request(
    tmp_path: Path, program: str, error: str
) -> None:
    async with running(extended(tmp_path, dedent(program))) as run:
        failed = await run.error()

    kind = "Extension.InitError" if "NoKey" in program else "Extension.Crash"
    assert (failed["errorType"], failed["errorMessage"]) == (kind, error)


async def test_an_eleventh_extension_is_refused(tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    async with running(extended(tmp_path, *[ORDINARY] * 11)) as run:
        failed = await run.error()

    assert failed == {
        "errorType": "Extension.LaunchError",
        "errorMessage": "Extension limit (10) reached",
    }


async def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    broken = extended(tmp_path, ORDINARY)
    (tmp_path / "layer" / "extensions" / "watch0").chmod(0o644)
    async with running(broken) as run:
        await run.error()

    told = [line for line in printed(run) if "cannot be run: Permission denied" in line]
    assert "chmod +x" in told[0]


async def test_an_extension_that_ends_during_a_request_fails_it_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    program = """
    for event in serve(register("INVOKE")[0]):
        mark = Path(os.environ["AWS_LAMBDA_EXTENSION_MARK"])
        if not mark.exists():
            mark.write_text("")
            sys.exit(7)
    """
    source = """
        import time

        def handler(event, context):
            time.sleep(0.5)
            return event
    """
    mark = {"AWS_LAMBDA_EXTENSION_MARK": str(tmp_path / "mark")}
    async with running(extended(tmp_path, program, source=source, environment=mark)) as run:
        assert (await run.error())["errorMessage"] == "watch0: exit status 7"
        assert await run.result(event="next") == "next"


async def test_an_extension_that_ends_between_requests_is_started_again(tmp_path: Path) -> None:
    program = """
    for event in serve(register("INVOKE")[0]):
        mark = Path(os.environ["AWS_LAMBDA_EXTENSION_MARK"])
        if not mark.exists():
            mark.write_text("")
            following_ = None
            os.set_inheritable(1, True)
            pid = os.getpid()
            if os.fork() == 0:
                time.sleep(0.2)
                os.kill(pid, signal.SIGKILL)
                os._exit(0)
    """
    mark = {"AWS_LAMBDA_EXTENSION_MARK": str(tmp_path / "mark")}
    async with running(extended(tmp_path, program, environment=mark)) as run:
        first = await run.result()
        await run.printed("Extension.Crash: watch0: signal 9")
        second = await run.result()

    assert first["id"] != second["id"]


async def test_a_request_that_times_out_ends_its_extensions_with_the_reason(tmp_path: Path) -> None:
    program = """
    for event in serve(register("SHUTDOWN")[0]):
        note(event.get("shutdownReason"))
    """
    source = """
        import time

        def handler(event, context):
            time.sleep(event or 0)
    """
    slow = extended(tmp_path, program, source=source)
    slow = Function(
        slow.logical_id,
        slow.name,
        slow.handler,
        slow.code_dir,
        layers=slow.layers,
        timeout_seconds=0.5,
    )
    async with running(slow) as run:
        assert (await run.error(event=3))["errorType"] == "Sandbox.Timedout"
        await run.printed("watch0: timeout")
        assert await run.result() is None


async def test_a_function_may_end_by_itself_when_it_has_extensions(tmp_path: Path) -> None:
    """As in aws-samples/graceful-shutdown-with-aws-lambda"""
    source = """
        import signal, sys, time

        def end(number, frame):
            print("closing connections", flush=True)
            time.sleep(0.1)  # a second signal would come in here
            sys.exit(0)

        signal.signal(signal.SIGTERM, end)

        def handler(event, context):
            return None
    """
    program = """
    for event in serve(register("SHUTDOWN")[0]):
        time.sleep(0.3)
    """
    async with running(extended(tmp_path, program, source=source), freeze=True) as run:
        await run.result()

    assert printed(run).count("closing connections") == 1


async def test_an_extension_that_does_not_end_is_killed_after_two_seconds(tmp_path: Path) -> None:
    program = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for event in serve(register("SHUTDOWN")[0]):
        time.sleep(60)
    """
    async with running(extended(tmp_path, program)) as run:
        await run.result()
        began = time.monotonic()
    assert 1.8 < time.monotonic() - began < 8


async def test_a_thread_of_the_function_registers_itself(tmp_path: Path) -> None:
    source = """
        import json, os, threading
        from urllib.request import Request, urlopen

        API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
        seen = []

        def ask(path, body=None, **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None if body is None else json.dumps(body).encode()
            return urlopen(Request(f"{API}/{path}", data=data, headers=headers))

        with ask("register", {"events": ["INVOKE"]}, Lambda_Extension_Name="inner") as answer:
            identifier = answer.headers["Lambda-Extension-Identifier"]

        def follow():
            while True:
                with ask("event/next", Lambda_Extension_Identifier=identifier) as answer:
                    seen.append(json.load(answer)["requestId"])

        threading.Thread(target=follow, daemon=True).start()

        def handler(event, context):
            return [context.aws_request_id, *seen]
    """
    async with running(extended(tmp_path, ORDINARY, source=source)) as run:
        first = await run.result()
        second = await run.result()

    assert first[0] in second
    assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]" in printed(run)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ('register("BOOT")', "Extension.InvalidEventType"),
        ('register(name="")', "Extension.InvalidExtensionName"),
        ('following("nobody")', "Extension.UnknownExtensionIdentifier"),
        ('ask("event/next")', "Extension.MissingExtensionIdentifier"),
        ("register(); register()", "Extension.InvalidExtensionState"),
    ],
)
async def test_a_wrong_request_is_refused(tmp_path: Path, request_: str, kind: str) -> None:
    """aws-lambda-runtime-interface-emulator, internal/lambda/rapi/handler"""
    program = f"""
    try:
        {request_}
    except HTTPError as error:
        note(f"{{error.code}} {{json.loads(error.read())['errorType']}}")
    sys.exit(0)
    """
    async with running(extended(tmp_path, program)) as run:
        await run.error()

    assert f"watch0: 403 {kind}" in printed(run)


async def test_an_extension_that_asks_for_telemetry_learns_that_there_is_none(
    tmp_path: Path,
) -> None:
    program = """
    from http.client import HTTPConnection

    identifier, _ = register("INVOKE")
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    named = {"Lambda-Extension-Identifier": identifier}
    connection.request("PUT", "/2022-07-01/telemetry", "{}", named)
    answer = connection.getresponse()
    note(f"{answer.status} {json.loads(answer.read())['errorType']}")
    for event in serve(identifier):
        pass
    """
    async with running(extended(tmp_path, program)) as run:
        await run.result()

    assert "watch0: 202 Telemetry.NotSupported" in printed(run)
    assert any("Telemetry API is not supported by Lampwork" in line for line in printed(run))


async def test_several_environments_have_extensions_of_their_own(tmp_path: Path) -> None:
    async with running(extended(tmp_path, ORDINARY, ORDINARY)) as run:
        answers = await asyncio.gather(*(run.result() for _ in range(3)))

    assert len({answer["id"] for answer in answers}) == 3
    ready = [line for line in printed(run) if line.startswith("EXTENSION\tName: watch1")]
    assert len(ready) >= 1
