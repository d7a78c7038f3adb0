"""TMPDIR, a function's own in place of /tmp."""

import asyncio
from pathlib import Path

import pytest

from tests.emulator.runtime_fixtures import function, running

COUNT = """
    import os, tempfile, time
    from pathlib import Path

    def handler(event, context):
        folder = Path(tempfile.gettempdir())
        with (folder / "visits").open("a") as file:
            file.write("x")
        exec(event or "")
        return [str(folder), len((folder / "visits").read_text()), folder.stat().st_mode & 0o777]
"""


@pytest.mark.assertion(12)
@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
@pytest.mark.parametrize("ends", ["", "time.sleep(60)", "os._exit(1)"], ids=["", "late", "exits"])
async def test_an_environment_keeps_its_files_also_when_a_request_ends_its_process(
    tmp_path: Path, cold: bool, ends: str
) -> None:
    async with running(function(tmp_path, COUNT, timeout_seconds=0.6), cold=cold) as run:
        await run.invoke(event=ends)
        folder, visits, mode = await run.result()

    assert Path(folder).parent == tmp_path / ".data" / "tmp"
    assert (visits, mode) == (2, 0o700)


async def test_an_environment_keeps_its_files_while_its_late_process_is_slow_to_end(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, COUNT, timeout_seconds=0.6, memory_mb=2048)
    async with running(app, grow_after_ms=0) as run:
        await run.invoke(event="held = b'x' * (600 << 20); time.sleep(60)")
        folder, visits, _ = await run.result()
        place = tmp_path / ".data" / "tmp"

        assert visits == 2
        assert [str(each) for each in place.iterdir()] == [folder]


async def test_environments_do_not_see_each_others_files(tmp_path: Path) -> None:
    one, other = (function(tmp_path, COUNT, name=name) for name in ("one", "other"))
    async with running(one, other) as run:
        asked = [run.result(name, "time.sleep(0.3)") for name in ("one", "one", "other")]
        answers = await asyncio.gather(*asked)

    assert len({folder for folder, *_ in answers}) == 3
    assert [visits for _, visits, _ in answers] == [1, 1, 1]


async def test_files_go_with_their_environment(tmp_path: Path) -> None:
    app = function(tmp_path, COUNT)
    place = tmp_path / ".data" / "tmp"
    (place / "of a killed run").mkdir(parents=True)
    async with running(app) as run:
        before, *_ = await run.result()
        await run.functions.reload({app.logical_id: app})
        after, *_ = await run.result()
        async with asyncio.timeout(5):
            while [str(each) for each in place.iterdir()] != [after]:
                await asyncio.sleep(0.01)

    assert before != after
    assert not place.exists()


async def test_a_function_may_name_a_folder_of_its_own_choice(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    async with running(function(tmp_path, COUNT, environment={"TMPDIR": str(own)})) as run:
        folder, *_ = await run.result()

    assert folder == str(own)
