"""`make migration`, in a copy of the repository whose models have changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.migration import write
from tests.conftest import ROOT

MODEL = "shared/models/user.py"
WORDS = '    DISABLED = "disabled"\n'
NEW_COLUMNS = """\
    newsletter: Mapped[bool] = mapped_column(default=False)
    town: Mapped[str]
"""
COLUMN = "    auth_epoch: Mapped[int] = mapped_column(default=0)\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("repository")
    for name in ("shared", "migrations", "local"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    return copy


def make_migration(repository: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "local.migration", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
    )


def edit(repository: Path, *changes: tuple[str, str]) -> None:
    text = (ROOT / MODEL).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (repository / MODEL).write_text(text)


def newest(repository: Path) -> Path:
    return max((repository / "migrations" / "versions").glob("*.py"))


def test_nothing_is_written_if_nothing_has_changed(repository: Path):
    edit(repository)
    before = newest(repository)

    ended = make_migration(repository, "Nothing at all")

    assert ended.returncode == 1
    assert "Nothing has changed in shared/models" in ended.stderr
    assert newest(repository) == before


def test_a_migration_is_numbered_named_and_complete(repository: Path):
    number = int(newest(repository).name[:4]) + 1
    edit(
        repository,
        (WORDS, f'{WORDS}    ASLEEP = "asleep"\n'),
        (COLUMN, f"{COLUMN}{NEW_COLUMNS}"),
    )

    ended = make_migration(repository, "Users can ask for a newsletter")

    assert ended.returncode == 0, ended.stderr
    file = newest(repository)
    assert file.name == f"{number:04}_users_can_ask_for_a.py"
    assert f"Wrote migrations/versions/{file.name}" in ended.stdout
    assert "adds users.newsletter; rows that are there get false" in ended.stdout
    assert "users.town, WHICH FAILS where rows are" in ended.stdout
    assert "lets users.status take asleep" in ended.stdout
    text = file.read_text()
    assert f'revision: str = "{file.stem}"' in text
    assert f'down_revision: str | None = "{number - 1:04}' in text
    assert "server_default" in text
    assert "'disabled', 'asleep')" in text
    assert "please adjust" not in text
    checked = subprocess.run(
        [sys.executable, "-m", "local.check_migrations"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No new upgrade operations detected" in checked.stdout


def test_a_migration_without_a_name_is_refused():
    with pytest.raises(ValueError, match="make migration m="):
        write("…")
