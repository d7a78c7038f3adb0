"""What happens to the processes beside the functions when files are saved."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from lampwork.app.following import Following
from lampwork.companions.reading.files_read import FilesRead
from lampwork.companions.supervision import Program, Supervised
from lampwork.config.variables import inherited
from lampwork.errors import StartError

# Told to stop, it first finishes what it is at: until there is a file `let go`.
LASTING = """
import signal, time
from pathlib import Path
heard = []
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda number, _: heard.append(number))
print("up", flush=True)
while signal.SIGTERM not in heard:
    time.sleep(0.01)
if signal.SIGUSR1 in heard:
    print("told", flush=True)
while not Path("let go").exists():
    time.sleep(0.01)
print("finished", flush=True)
"""


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0.01)


def lasting(folder: Path) -> Program:
    return Program(
        "worker",
        (sys.executable, "-c", LASTING),
        inherited(),
        folder,
        folder / "run",
        finish_signal=signal.SIGUSR1,
    )


async def test_a_process_finishes_what_it_is_at_beside_its_successor(tmp_path: Path) -> None:
    output: list[str] = []
    supervised = Supervised(lasting(tmp_path), lambda _, line: output.append(line))
    await supervised.start()
    await until(lambda: output == ["up"])

    await supervised.restart()
    await until(lambda: sorted(output) == ["told", "up", "up"])
    # A killed emulator's next run finds and stops both.
    assert len(list((tmp_path / "run").glob("*.pid"))) == 2
    (tmp_path / "let go").touch()
    await until(lambda: len(list((tmp_path / "run").glob("*.pid"))) == 1)
    assert output.count("finished") == 1
    await supervised.stop()

    assert list((tmp_path / "run").glob("*.pid")) == []


async def test_an_end_does_not_wait_for_what_finishes_beside_its_successor(tmp_path: Path) -> None:
    output: list[str] = []
    program = lasting(tmp_path)
    supervised = Supervised(program, lambda _, line: output.append(line))
    await supervised.start()
    await until(lambda: output == ["up"])
    await supervised.restart()
    await until(lambda: output.count("up") == 2 and "told" in output)

    (tmp_path / "let go").touch()  # both end at their stop signal
    async with asyncio.timeout(program.grace_seconds):
        await supervised.stop()

    assert list((tmp_path / "run").glob("*.pid")) == []


def test_a_process_tells_which_files_it_has_opened_compiled_or_not(tmp_path: Path) -> None:
    for name in ("loaded.py", "late.py", "unread.py", "data.txt", "style.css"):
        (tmp_path / name).write_text("")
    (tmp_path / "sitecustomize.py").write_text("print('its own')")
    code = "import loaded; open('data.txt').read(); open('out', 'w').close()"
    files = FilesRead(tmp_path / "run")

    for _ in range(2):  # the second time, Python opens the compiled form alone
        environment = files.environment("worker", {**os.environ, "PYTHONPATH": f"{tmp_path}"})
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

        assert (ended.returncode, ended.stdout) == (0, "its own\n"), ended.stderr
        for name in ("loaded.py", "data.txt"):
            assert files.read_any("worker", [tmp_path / name]), name
        for name in ("late.py", "unread.py", "style.css", "out"):
            assert not files.read_any("worker", [tmp_path / name]), name

    files.remove()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_that_tells_nothing_may_have_opened_any_file(tmp_path: Path) -> None:
    files = FilesRead(tmp_path)
    files.environment("worker", {})

    assert files.read_any("worker", [tmp_path / "any.js"])


async def test_saves_in_quick_succession_restart_processes_once_with_all_files() -> None:
    restarts: list[Collection[Path] | None] = []
    loads: list[None] = []

    async def restart(saved: Collection[Path] | None) -> None:
        restarts.append(saved)

    async def preload() -> None:
        loads.append(None)

    following = Following(preload, restart, print)
    following.start()
    for name in ("a.py", "b.py", "a.py"):
        following.saved([Path(name)])
    await until(lambda: len(loads) == 1)
    following.saved(None)
    await until(lambda: len(loads) == 2)
    await following.stop()

    assert restarts == [{Path("a.py"), Path("b.py")}, None]


async def test_what_fails_after_a_save_is_said_and_the_next_save_is_followed() -> None:
    said: list[str] = []
    loads: list[None] = []

    async def restart(_: object) -> None:
        raise StartError("no such program")

    async def preload() -> None:
        loads.append(None)

    following = Following(preload, restart, said.append)
    following.start()
    for number in (1, 2):
        following.saved([Path("a.py")])
        while len(loads) < number:
            await asyncio.sleep(0.01)
    await following.stop()

    assert said == ["no such program"] * 2
