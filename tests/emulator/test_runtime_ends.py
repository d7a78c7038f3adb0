"""Every request ends with its own answer, whatever happens to the process that serves it."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from lampwork.errors import LampworkError, StartError
from lampwork.logs.log import is_platform_line
from lampwork.runtime.functions import Functions
from lampwork.runtime.settings import RuntimeSettings
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import function, processes_of, running

NAME = """
    def handler(event, context):
        return __name__
"""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for as long as the context lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def fork_server() -> int:
    (server,) = processes_of(os.getpid())
    return server


async def test_output_of_a_forked_child_does_not_answer_the_next_request(tmp_path: Path) -> None:
    source = """
        import os, time

        def handler(event, context):
            if event == "fork" and not os.fork():
                time.sleep(0.3)
                raise ValueError("of the child")
            time.sleep(0.6 if event == "next" else 0)
            return event
    """
    async with running(function(tmp_path, source)) as run:
        assert await run.result(event="fork") == "fork"
        assert await run.result(event="next") == "next"
        assert await run.result(event="later") == "later"


async def test_children_of_a_forked_child_print_nothing_of_their_own(tmp_path: Path) -> None:
    source = """
        import os

        def handler(event, context):
            child = os.fork()
            if child == 0:
                grandchild = os.fork()
                if grandchild:
                    os.waitpid(grandchild, 0)
                os._exit(0)
            os.waitpid(child, 0)
    """
    async with running(function(tmp_path, source)) as run:
        await run.result()

    own = [line for _, line in run.lines if not is_platform_line(line)]
    assert own == []


async def test_a_request_fails_when_its_function_cannot_be_started_a_second_time(
    tmp_path: Path,
) -> None:
    source = """
        import os, shutil, time

        folder = os.environ["TMPDIR"]
        shutil.rmtree(folder)
        open(folder, "w").close()
        time.sleep(60)
    """
    async with running(function(tmp_path, source), init_seconds=1.5) as run:
        with pytest.raises(StartError, match=r"Cannot make .*: File exists"):
            async with asyncio.timeout(10):
                await run.invoke()


ENDS_ONCE_LOADED = """
    import os, sys, time

    send = sys.modules["runtime_client"].send

    def send_and_end(*message):
        send(*message)
        time.sleep({seconds})
        os._exit(3)

    sys.modules["runtime_client"].send = send_and_end

    with open("starts", "a") as starts:
        starts.write("x")

    def handler(event, context): ...
"""


@pytest.mark.parametrize("seconds", [0, 0.2], ids=["before", "after"])
async def test_a_function_that_keeps_ending_around_its_request_is_not_restarted_forever(
    tmp_path: Path, seconds: float
) -> None:
    app = function(tmp_path, ENDS_ONCE_LOADED.format(seconds=seconds))
    async with running(app) as run:
        async with asyncio.timeout(10):
            errors = await asyncio.gather(run.error(), run.error())
        starts = (tmp_path / "starts").stat().st_size
        await asyncio.sleep(0.3)

        reason = "Runtime exited with error: exit status 3"
        error = {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: <id> Error: {reason}",
        }
        assert list(errors) == [error] * 2
        assert starts <= 6
        assert (tmp_path / "starts").stat().st_size == starts

        await run.functions.reload({app.logical_id: function(tmp_path, NAME)})

        assert await run.result() == "app"


async def test_a_reload_while_processes_are_being_started_ends_no_request(tmp_path: Path) -> None:
    functions = [function(tmp_path, NAME, name=name) for name in ("one", "other", "third")]
    async with running(*functions) as run:
        with stopped(fork_server()):
            requests = [asyncio.create_task(run.result(each.name)) for each in functions]
            await asyncio.sleep(0.1)
            await run.functions.reload({each.logical_id: each for each in functions})
        async with asyncio.timeout(10):
            assert await asyncio.gather(*requests) == ["one", "other", "third"]


async def test_the_start_of_the_fork_server_does_not_count_as_the_functions_time(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, f"import time; time.sleep(0.7)\n{dedent(NAME)}", timeout_seconds=0.6)
    async with running(app, init_seconds=1.1) as run:
        with stopped(fork_server()):
            request = asyncio.create_task(run.result())
            await asyncio.sleep(0.45)  # with the function's loading, longer than it may take
        assert await request == "app"


async def test_functions_whose_start_did_not_come_to_its_end_can_be_stopped(tmp_path: Path) -> None:
    settings = RuntimeSettings(data_dir=tmp_path)
    functions = Functions({}, settings, lambda *line: None)

    await functions.stop()

    assert not settings.temporary_dir.exists()


async def test_stopping_refuses_a_request_that_its_process_has_not_read(tmp_path: Path) -> None:
    source = """
        import os

        def handler(event, context):
            return os.getpid()
    """
    async with asyncio.timeout(10):
        async with running(function(tmp_path, source), stop_seconds=0.1) as run:
            os.kill(await run.result(), signal.SIGSTOP)
            request = asyncio.create_task(run.invoke())
            await asyncio.sleep(0)

    with pytest.raises(LampworkError, match="app is being stopped"):
        await request


async def test_a_request_fails_when_no_file_can_be_opened_and_the_next_is_served(
    tmp_path: Path,
) -> None:
    one, other = (function(tmp_path, NAME, name=name) for name in ("one", "other"))
    async with running(one, other) as run:
        await run.result("one")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            with pytest.raises(StartError, match="Too many open files"):
                async with asyncio.timeout(5):
                    await run.invoke("other")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        assert await run.result("other") == "other"


async def test_a_function_removed_while_it_is_loaded_again_leaves_room_for_one_other(
    tmp_path: Path,
) -> None:
    slow = function(tmp_path, "print('loading'); import time; time.sleep(60)", name="slow")
    held = """
        import time

        def handler(event, context):
            print("begun")
            time.sleep(0.5)
    """
    others = [function(tmp_path, held, name=name) for name in ("one", "other")]
    options = {"init_seconds": 0.2, "stop_seconds": 0.1, "max_environments": 1}
    async with running(slow, **options) as run:
        request = asyncio.create_task(run.error("slow"))
        while [line for _, line in run.lines].count("loading") < 2:
            await asyncio.sleep(0.01)
        await run.functions.reload({each.logical_id: each for each in others})
        assert (await request)["errorType"] == "Runtime.ExitError"

        both = asyncio.gather(*(run.invoke(each.name) for each in others))
        await run.printed("begun")
        await asyncio.sleep(0.2)
        assert len(processes_of(os.getpid())) == 2  # the fork server, and one
        await both


async def test_a_request_gets_its_answer_when_a_line_cannot_be_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(of: Function, line: str, request_id: str) -> None:
        raise PermissionError(line)

    app = function(tmp_path, NAME)
    functions = Functions({"App": app}, RuntimeSettings(tmp_path / ".data"), refuse)
    await functions.start()
    async with asyncio.timeout(10):
        invocation = await functions.invoke("app", b"null")
    await functions.stop()

    assert invocation.payload == b'"app"'
    assert "a line of a function's log is lost" in caplog.text
