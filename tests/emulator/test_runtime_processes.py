import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lampwork.errors import FunctionNotFound, Throttled, TooManyEnvironments
from lampwork.interpreters.python import own_python
from lampwork.runtime.admission.machine import Machine
from lampwork.runtime.forking import program
from tests.emulator.runtime_fixtures import Ends, function, processes_of, running, write

WHO = """
    import os, time

    def handler(event, context):
        time.sleep(event or 0)
        return os.getpid()
"""
PARENT = """
    import os

    def handler(event, context):
        return os.getppid()
"""
HOLD = """
    import os, time

    def handler(event, context):
        print(event)
        while not os.path.exists("release"):
            time.sleep(0.01)
        return os.getpid()
"""


async def test_requests_one_after_the_other_share_an_environment(tmp_path: Path) -> None:
    async with running(function(tmp_path, WHO)) as run:
        pids = [await run.result() for _ in range(5)]

    assert len(set(pids)) == 1


async def test_functions_are_forked_from_the_server_that_began_before_they_were_known(
    tmp_path: Path,
) -> None:
    begun = program.begin()

    async with running(function(tmp_path, PARENT), lambda_paths=True) as run:
        assert await run.result() == begun.process.pid
    assert begun.process.returncode is not None


@pytest.mark.parametrize("options", [{"cold": True}, {"lambda_paths": False}])
async def test_a_server_that_began_with_other_variables_than_functions_have_is_ended(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    begun = program.begin()

    async with running(function(tmp_path, PARENT), **options) as run:
        assert begun.process.returncode is not None
        assert await run.result() != begun.process.pid


async def test_requests_at_the_same_time_have_environments_of_their_own(tmp_path: Path) -> None:
    async with running(function(tmp_path, HOLD)) as run:
        requests = [asyncio.create_task(run.result(event=name)) for name in ("one", "two", "three")]
        for name in ("one", "two", "three"):
            await run.printed(name)
        (tmp_path / "release").touch()
        pids = await asyncio.gather(*requests)

    assert len(set(pids)) == 3


async def test_short_requests_wait_for_a_busy_environment_instead_of_a_new_one(
    tmp_path: Path,
) -> None:
    async with running(function(tmp_path, WHO), grow_after_ms=5000) as run:
        pids = await asyncio.gather(*(run.result() for _ in range(20)))

    assert len(set(pids)) == 1


async def test_a_function_that_computes_gets_no_more_environments_than_cores_can_serve(
    tmp_path: Path,
) -> None:
    source = """
        import os

        def handler(event, context):
            sum(range(10_000))
            return os.getpid()
    """
    async with running(function(tmp_path, source), grow_after_ms=1) as run:

        async def client() -> set[int]:
            return {await run.result() for _ in range(250)}

        pids = set[int]().union(*await asyncio.gather(*(client() for _ in range(16))))

    assert len(pids) <= Machine().cores + 1


async def test_waiting_requests_are_served_in_their_order(tmp_path: Path) -> None:
    source = """
        def handler(event, context):
            print(event)
    """
    async with running(function(tmp_path, source), max_environments=1) as run:
        await asyncio.gather(*(run.invoke(event=number) for number in range(10)))

    printed = [line for _, line in run.lines if line.isdigit()]
    assert printed == [str(number) for number in range(10)]


async def test_reserved_concurrency_throttles(tmp_path: Path) -> None:
    async with running(function(tmp_path, HOLD, reserved_concurrency=1)) as run:
        first = asyncio.create_task(run.result(event="first"))
        await run.printed("first")
        with pytest.raises(Throttled, match="app already runs 1 request"):
            await run.invoke(event="second")
        (tmp_path / "release").touch()

        assert await first == await run.result(event="third")


@pytest.mark.assertion(13)
async def test_a_reserved_concurrency_of_zero_switches_a_function_off(tmp_path: Path) -> None:
    async with running(function(tmp_path, WHO, reserved_concurrency=0)) as run:
        with pytest.raises(Throttled):
            await run.invoke()


async def test_the_error_for_too_many_environments_names_the_setting_that_allows_more(
    tmp_path: Path,
) -> None:
    busy = function(tmp_path, HOLD, name="busy", timeout_seconds=30)
    other = function(tmp_path, WHO, name="other")

    async with running(busy, other, max_environments=1, queue_seconds=0.1) as run:
        request = asyncio.create_task(run.result("busy", "begun"))
        await run.printed("begun")
        with pytest.raises(TooManyEnvironments, match="Raise max_environments"):
            await run.invoke("other")
        (tmp_path / "release").touch()
        await request

        assert isinstance(await run.result("other"), int)


async def test_idle_environments_make_room_for_other_functions(tmp_path: Path) -> None:
    names = [f"app{number}" for number in range(4)]

    async with running(
        *(function(tmp_path, WHO, name=name) for name in names), max_environments=2
    ) as run:
        for name in names * 2:
            assert isinstance(await run.result(name), int)
            assert (
                len(processes_of(os.getpid())) <= 2 + 2
            )  # the fork server, and one on its way out


async def test_a_function_under_load_leaves_room_for_another(tmp_path: Path) -> None:
    greedy = function(tmp_path, WHO, name="greedy")
    other = function(tmp_path, WHO, name="other")

    async with running(greedy, other, max_environments=2, queue_seconds=5) as run:
        load = [asyncio.create_task(run.result("greedy", 0.05)) for _ in range(60)]
        await asyncio.wait(load, return_when=asyncio.FIRST_COMPLETED)
        await run.result("other")
        still_waiting = [request for request in load if not request.done()]
        await asyncio.gather(*load)

    assert still_waiting


async def test_requests_that_wait_for_long_leave_room_for_another_function(tmp_path: Path) -> None:
    waiting = function(tmp_path, HOLD, name="waiting", timeout_seconds=30)
    other = function(tmp_path, WHO, name="other")

    async with running(waiting, other, max_environments=4, queue_seconds=0.5) as run:
        held = [asyncio.create_task(run.result("waiting", f"poll {n}")) for n in range(3)]
        for number in range(3):
            await run.printed(f"poll {number}")
        with pytest.raises(TooManyEnvironments, match="one function may have no more"):
            await run.invoke("waiting", "poll 3")

        assert isinstance(await run.result("other"), int)
        (tmp_path / "release").touch()
        await asyncio.gather(*held)


async def test_reserved_concurrency_may_be_more_than_the_share_of_one_function(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, HOLD, timeout_seconds=30, reserved_concurrency=4)

    async with running(app, max_environments=4, queue_seconds=0.5) as run:
        held = [asyncio.create_task(run.result(event=f"poll {n}")) for n in range(4)]
        for number in range(4):
            await run.printed(f"poll {number}")
        (tmp_path / "release").touch()
        await asyncio.gather(*held)


async def test_environments_idle_for_long_are_ended(tmp_path: Path) -> None:
    async with running(function(tmp_path, WHO), idle_seconds=0.1) as run:
        pid = await run.result()
        ended = await asyncio.to_thread(Ends([pid]).wait)

        assert ended
        assert await run.result() != pid


async def test_of_several_idle_environments_all_but_one_end_sooner(tmp_path: Path) -> None:
    async with running(function(tmp_path, HOLD), idle_seconds=600, surplus_idle_seconds=0.1) as run:
        held = [asyncio.create_task(run.result(event=f"poll {n}")) for n in range(3)]
        for number in range(3):
            await run.printed(f"poll {number}")
        (tmp_path / "release").touch()
        used = set(await asyncio.gather(*held))
        async with asyncio.timeout(30):
            while len(used & set(processes_of(os.getpid()))) > 1:
                await asyncio.sleep(0.02)

        assert await run.result(event="again") in used


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_an_edit_of_the_same_size_in_the_same_second_takes_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: bool
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    app = function(tmp_path, "from answer import ANSWER\ndef handler(e, c): return ANSWER")
    seen = []

    async with running(app, cold=cold) as run:
        for answer in (1, 2, 3):
            file = write(tmp_path, "answer", f"ANSWER = {answer}")
            os.utime(file, (1_700_000_000, 1_700_000_000))
            await run.functions.reload({app.logical_id: app})
            seen.append(await run.result())

    assert seen == [1, 2, 3]
    assert not (tmp_path / "__pycache__").exists()


async def test_a_busy_environment_finishes_with_the_old_code_while_others_run_the_new(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, HOLD + "\n    VERSION = 1")

    async with running(app) as run:
        old = asyncio.create_task(run.result(event="old"))
        await run.printed("old")
        function(tmp_path, "def handler(event, context): return 'new'")
        await run.functions.reload({app.logical_id: app})
        new = await run.result()
        (tmp_path / "release").touch()
        finished = await old
        ended = await asyncio.to_thread(_has_ended, finished)

    assert new == "new"
    assert ended


async def test_a_request_waiting_for_the_old_code_to_load_gets_the_new(tmp_path: Path) -> None:
    app = function(tmp_path, "import time\nprint('loading')\ntime.sleep(60)")

    async with running(app) as run:
        request = asyncio.create_task(run.result())
        await run.printed("loading")
        function(tmp_path, "def handler(event, context): return 'new'")
        await run.functions.reload({app.logical_id: app})

        assert await request == "new"


async def test_reloading_adds_and_removes_functions_and_changes_their_settings(
    tmp_path: Path,
) -> None:
    source = "import os\ndef handler(event, context): return os.environ.get('COLOUR')"
    kept = function(tmp_path, source, name="kept")
    gone = function(tmp_path, source, name="gone")
    changed = function(tmp_path, source, name="kept", environment={"COLOUR": "blue"})
    new = function(tmp_path, source, name="new")

    async with running(kept, gone) as run:
        before = [await run.result("kept"), await run.result("gone")]
        await run.functions.reload({each.logical_id: each for each in (changed, new)})
        after = [await run.result("kept"), await run.result("new")]
        with pytest.raises(FunctionNotFound, match="gone"):
            await run.invoke("gone")

    assert before == [None, None]
    assert after == ["blue", None]


async def test_packages_a_function_imports_are_loaded_before_it_is_forked(tmp_path: Path) -> None:
    source = """
        import sys

        LOADED = "fastapi" in sys.modules, "mangum.adapter" in sys.modules, "app" in sys.modules

        import fastapi, mangum

        def handler(event, context):
            return LOADED
    """
    other = function(tmp_path, source, name="other")

    async with running(function(tmp_path, source)) as run:
        assert await run.result() == [True, True, True]
    async with running(other, cold=True) as run:
        assert await run.result("other") == [False, False, False]


async def test_a_package_newly_imported_is_loaded_beforehand_after_a_reload(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, "import jwt\ndef handler(event, context): return True")

    async with running(app) as run:
        assert await run.result() is True
        function(
            tmp_path,
            """
            import sys
            LOADED = "jwt" in sys.modules, "mangum" in sys.modules
            import jwt, mangum

            def handler(event, context):
                return LOADED
            """,
        )
        await run.functions.reload({app.logical_id: app})

        assert await run.result() == [True, True]


async def test_a_package_that_ends_the_process_is_left_to_the_function(
    tmp_path: Path, packages: Path, python: Path
) -> None:
    write(packages, "fatal", "import os; os._exit(1)")
    broken = function(tmp_path, "import fatal", name="broken")
    other = function(tmp_path, WHO, name="other")

    async with running(broken, other, python=replace(own_python(), path=str(python))) as run:
        error = await run.error("broken")

        assert error["errorType"] == "Runtime.ExitError"
        assert isinstance(await run.result("other"), int)


async def test_functions_run_on_after_their_fork_server_was_killed(tmp_path: Path) -> None:
    async with running(function(tmp_path, WHO)) as run:
        before = await run.result()
        ends = Ends(processes_of(os.getpid()))
        os.kill(_parent(before), signal.SIGKILL)
        all_ended = await asyncio.to_thread(ends.wait)
        after = await run.result()

    assert all_ended
    assert after != before


async def test_a_request_under_way_when_the_fork_server_is_killed_gets_an_error(
    tmp_path: Path,
) -> None:
    async with running(function(tmp_path, HOLD)) as run:
        request = asyncio.create_task(run.error(event="begun"))
        await run.printed("begun")
        (server,) = {_parent(pid) for pid in processes_of(os.getpid())} - {os.getpid()}
        os.kill(server, signal.SIGKILL)
        error = await request

    assert (
        error["errorMessage"] == "RequestId: <id> Error: Runtime exited with error: signal: killed"
    )


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_killed_idle_environment_is_replaced(tmp_path: Path, cold: bool) -> None:
    other = function(tmp_path, WHO, name="other")

    async with running(function(tmp_path, WHO), other, cold=cold) as run:
        before = await run.result()
        ends = Ends([before])
        os.kill(before, signal.SIGKILL)
        await asyncio.to_thread(ends.wait)
        await run.result("other")  # started after the emulator has learned that the other ended
        after = await run.result()

    assert after != before


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_processes_that_a_function_started_end_with_it(tmp_path: Path, cold: bool) -> None:
    source = """
        import os, subprocess, time

        def handler(event, context):
            print("child", subprocess.Popen(["sleep", "600"]).pid)
            if event == "hang":
                time.sleep(600)
            os._exit(0)
    """
    async with running(function(tmp_path, source, timeout_seconds=0.5), cold=cold) as run:
        await run.error(event="exit")
        await run.error(event="hang")
        children = [int(line.split()[1]) for _, line in run.lines if line.startswith("child ")]

        assert len(children) == 2
        assert all(await asyncio.gather(*(asyncio.to_thread(_has_ended, pid) for pid in children)))


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_no_process_is_left_after_stopping(tmp_path: Path, cold: bool) -> None:
    async with running(
        function(tmp_path, HOLD, timeout_seconds=60),
        function(tmp_path, WHO, name="idle"),
        stop_seconds=0,
        cold=cold,
    ) as run:
        await run.result("idle")
        request = asyncio.create_task(run.error(event="begun"))
        await run.printed("begun")

    assert (await request)["errorType"] == "Runtime.ExitError"
    assert processes_of(os.getpid()) == []


async def test_stopping_lets_a_request_finish(tmp_path: Path) -> None:
    source = """
        import time

        def handler(event, context):
            print("begun")
            time.sleep(0.3)
            return "finished"
    """
    async with running(function(tmp_path, source), stop_seconds=5) as run:
        request = asyncio.create_task(run.result())
        await run.printed("begun")

    assert await request == "finished"


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
def test_no_process_is_left_after_a_kill_of_the_emulator(tmp_path: Path, cold: bool) -> None:
    script = f"""
        import asyncio
        from pathlib import Path
        from tests.emulator.runtime_fixtures import function, running

        CODE = '''
            import subprocess, time

            def handler(event, context):
                print("child", subprocess.Popen(["sleep", "600"]).pid)
                time.sleep(600)
        '''

        async def main():
            app = function(Path({str(tmp_path)!r}), CODE, timeout_seconds=600)
            async with running(app, cold={cold}) as run:
                request = asyncio.create_task(run.invoke())
                while not any(line.startswith("child") for _, line in run.lines):
                    await run.changed.wait()
                    run.changed.clear()
                print(run.lines[-1][1], flush=True)
                await request

        asyncio.run(main())
    """
    emulator = subprocess.Popen(
        [sys.executable, str(write(tmp_path, "emulator", script))],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    with emulator:
        assert emulator.stdout is not None
        grandchild = int(emulator.stdout.readline().split()[1])
        # A process started cold cannot tell what it started, once it is killed with the emulator.
        ends = Ends([*processes_of(emulator.pid), *([] if cold else [grandchild])])
        emulator.kill()

        assert ends.wait()
        if cold:
            os.kill(grandchild, signal.SIGKILL)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages in addition to those of the virtual environment."""
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def python(tmp_path: Path, packages: Path) -> Path:
    """A Python that has these packages too."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _has_ended(pid: int) -> bool:
    """Whether a process ends within five seconds, or has before."""
    try:
        return Ends([pid]).wait()
    except ProcessLookupError:
        return True


async def test_requests_that_compute_do_not_multiply_processes_beyond_the_cores(
    tmp_path: Path,
) -> None:
    source = """
        import os, time

        def handler(event, context):
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            return os.getpid()
    """
    async with running(function(tmp_path, source, timeout_seconds=30)) as run:
        pids = await asyncio.gather(*(run.result() for _ in range(60)))

    assert len(set(pids)) <= 2 * (os.cpu_count() or 1)
