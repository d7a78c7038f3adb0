"""`make dev` while somebody edits: in a copy of the repository."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.e2e.product import Product, running, sign_up
from tests.waiting import until

HEALTH = "functions/health/health.py"
ASKED = "    examined = await examine()"
WORKERS_CODE = "shared/engine/execution.py"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("edited") / "repository"
    for name in ("functions", "shared", "migrations", "local"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "pyproject.toml", "template.yaml"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def edited(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    data = tmp_path_factory.mktemp("edited") / "data"
    environment = {"GENERATOR_URL": "python:tests.slow_generator:from_url"}
    with running(data, environment=environment, repository=repository, reload=True) as product:
        yield product


def worker_of(product: Product) -> str:
    """The process that paints, or nothing for the moment in which another one takes its place."""
    file = product.data / "run" / "generate.pid"
    return file.read_text() if file.exists() else ""


def save(file: Path, text: str, *, rename: bool) -> None:
    """Write a file, in place or as editors do that write a new one first."""
    if not rename:
        file.write_text(text)
        return
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(text)
    draft.rename(file)


def serves(product: Product, mark: str) -> bool:
    answer = httpx.get(f"{product.origin}/api/health", timeout=60)
    served: str = answer.headers.get("x-mark", "")
    return served == mark


def test_each_of_ten_saves_is_served_and_restarts_no_worker(
    edited: Product, repository: Path
) -> None:
    file, worker = repository / HEALTH, worker_of(edited)
    code = file.read_text()
    assert ASKED in code

    for number in range(10):
        marked = f"    response.headers['x-mark'] = 'save {number}'\n{ASKED}"
        if number == 3:  # a slip, saved right before it is mended
            save(file, "def oops(:\n", rename=False)
        save(file, code.replace(ASKED, marked), rename=number % 2 == 1)
        until(partial(serves, edited, f"save {number}"))
        if number == 5:
            style = next((repository / "functions" / "dashboard").rglob("*.css"))
            style.write_text(f"{style.read_text()}\n")
    assert serves(edited, "save 9")
    assert worker_of(edited) == worker


def test_a_painting_task_survives_a_save_of_what_its_worker_has_loaded(
    edited: Product, repository: Path, tmp_path: Path
) -> None:
    file, before = repository / WORKERS_CODE, worker_of(edited)
    with sign_up(edited) as ada:
        task_id = ada.submit(str(tmp_path / "let go"), width=64, height=64)["id"]
        until(lambda: ada.client.get(f"/tasks/{task_id}").json()["progress"] > 0)

        file.write_text(f"{file.read_text()}\nSAVED = True\n")
        until(lambda: worker_of(edited) not in ("", before))
        second = ada.submit(str(tmp_path / "let go"), width=64, height=64)["id"]
        until(lambda: ada.client.get(f"/tasks/{second}").json()["progress"] > 0)
        (tmp_path / "let go").touch()
        until(lambda: ada.client.get(f"/tasks/{task_id}").json()["terminal"])
        task = ada.client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["attempt"]) == ("completed", 1)
