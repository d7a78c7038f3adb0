import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lampwork.app.read_files import ReadFiles
from lampwork.app.reload import Change, Watched, Watcher

CODE = Change(code=True, settings=False)
SETTINGS = Change(code=False, settings=True)

Next = Callable[[], Awaitable[Change]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("functions/tasks", ".venv/lib", "tests", ".data", "mytools/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "functions" / "tasks" / "create.py").write_text("")
    (tmp_path / "template.yaml").write_text("")
    return tmp_path


@pytest.fixture
def watched(project: Path) -> Watched:
    settings = (project / "template.yaml", project / "pyproject.toml", project / ".env")
    return Watched((project,), settings, (project / ".data",))


@pytest.fixture
async def next_change(watched: Watched) -> AsyncIterator[Next]:
    changes: asyncio.Queue[Change] = asyncio.Queue()
    watcher = Watcher(watched, ReadFiles(), changes.put)
    await watcher.start()

    async def next_change() -> Change:
        async with asyncio.timeout(10):
            return await changes.get()

    yield next_change
    await watcher.stop()


async def test_a_saved_function_is_a_change_of_code(project: Path, next_change: Next) -> None:
    (project / "functions" / "tasks" / "create.py").write_text("changed = 1")

    assert await next_change() == CODE


@pytest.mark.parametrize("name", ["template.yaml", "pyproject.toml", ".env"])
async def test_a_saved_description_is_a_change_of_settings(
    project: Path, next_change: Next, name: str
) -> None:
    (project / name).write_text("changed = 1")

    assert await next_change() == SETTINGS


async def test_an_editor_that_renames_is_noticed(project: Path, next_change: Next) -> None:
    for _ in range(2):
        (project / "template.new").write_text("changed")
        (project / "template.new").rename(project / "template.yaml")

        assert (await next_change()).settings


async def test_a_new_folder_is_watched_too(project: Path, next_change: Next) -> None:
    (project / "shared").mkdir()
    (project / "shared" / "errors.py").write_text("")
    assert await next_change() == CODE

    (project / "shared" / "errors.py").write_text("changed = 1")

    assert await next_change() == CODE


@pytest.mark.parametrize(
    "path",
    [
        ".venv/lib/six.py",
        ".data/lampwork.db",
        "tests/test_create.py",
        "functions/__pycache__/create.pyc",
        "functions/tasks/.create.py.swp",
        "functions/tasks/create.py~",
        "README.md",
        "nohup.out",
        "functions/debug.log",
    ],
)
def test_a_file_that_no_function_reads_is_no_change(
    watched: Watched, project: Path, path: str
) -> None:
    assert not watched.is_code(project / path)


def test_folders_that_no_function_reads_are_not_even_watched(
    watched: Watched, project: Path
) -> None:
    assert watched.folders() == {project / "functions", project / "mytools"}


def test_a_folder_below_a_watched_one_is_not_watched_by_itself_as_well(project: Path) -> None:
    tasks = project / "functions" / "tasks"
    watched = Watched((project, tasks), (tasks / "template.yaml",), ())

    assert watched.places() == {project}
