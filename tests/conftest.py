import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.keys import ensure_keys
from shared.process.event_loop import run
from shared.security import passwords
from shared.singletons import forget_singletons, make_anew

pytest_plugins = ("tests.services",)

ROOT = Path(__file__).resolve().parents[1]
# To hash as in production takes 20 ms of a core, and hundreds of tests sign up and in.
QUICKLY_HASHED = {**passwords.ARGON2, "argon2__memory_cost": 8, "argon2__time_cost": 1}
# Thousands of collected tests stay to the end: no collection of garbage need look at them.
gc.disable()


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from tests.distribution import ByWhatStarts

    return ByWhatStarts(config, log)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that Alembic has brought to head; tests work on copies of it."""
    path = tmp_path_factory.mktemp("database") / "migrated.db"
    environment = {**os.environ, "DATABASE_URL": f"sqlite+aiosqlite:///{path}"}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environment, check=True
    )
    return path


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    ensure_keys(path)
    return path


@pytest.fixture
def application(
    migrated_database: Path, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """The application's settings for one test, with a database of its own.

    Yields the monkeypatch, for tests that set further variables before the first use.
    """
    copy = tmp_path / "test.db"
    shutil.copy(migrated_database, copy)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{copy}")
    monkeypatch.setenv("COOKIE_SECURE", "false")
    monkeypatch.setenv("KEYS_FILE", str(keys_file))
    monkeypatch.setenv("RATE_LIMITS", "off")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody is there
    monkeypatch.setattr(passwords, "ARGON2", QUICKLY_HASHED)
    forget_singletons()
    yield monkeypatch
    run(make_anew())
