from pathlib import Path

import pytest

from lampwork.runtime.launching.import_scanner import ImportScanner
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import function, running, write

PACKAGES = {
    "framework": ("__init__", "routing", "ext/__init__", "ext/aio"),
    "driver": ("__init__",),
    "awslambdaric": ("__init__",),
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A virtual environment inside the project, as many have it."""
    folder = tmp_path / ".venv" / "lib" / "site-packages"
    for package, modules in PACKAGES.items():
        for module in modules:
            write(folder / package, module, "")
    write(folder, "single", "")
    return folder


def scan(app: Function, installed: Path) -> set[str]:
    return ImportScanner([str(app.code_dir), str(installed)]).third_party([app])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import framework", {"framework"}),
        ("import framework.ext.aio as aio", {"framework.ext.aio"}),
        ("from framework import routing", {"framework", "framework.routing"}),
        ("from framework.ext.aio import connect", {"framework.ext.aio"}),
        ("import single, driver", {"single", "driver"}),
        ("try:\n    import driver\nexcept ImportError:\n    import single", {"driver", "single"}),
        ("if True:\n    import driver", {"driver"}),
        ("class Settings:\n    import driver", {"driver"}),
        ("match 1:\n    case _:\n        import driver", {"driver"}),
    ],
)
def test_packages_imported_when_a_function_is_loaded_are_found(
    tmp_path: Path, installed: Path, source: str, found: set[str]
) -> None:
    assert scan(function(tmp_path, source), installed) == found


@pytest.mark.parametrize(
    "source",
    [
        "import json, os.path",
        "import awslambdaric.bootstrap",
        "import not_installed",
        "def handler(event, context):\n    import driver",
        "async def handler(event, context):\n    import driver",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import driver",
        "import typing\nif typing.TYPE_CHECKING:\n    import driver",
        "import driver\ndef handler(:",
    ],
)
def test_other_imports_are_left_to_the_function(
    tmp_path: Path, installed: Path, source: str
) -> None:
    assert scan(function(tmp_path, source), installed) == set()


def test_a_projects_own_modules_are_followed_but_never_loaded(
    tmp_path: Path, installed: Path
) -> None:
    write(tmp_path, "functions.tasks.create", "from shared import database\nfrom . import common")
    write(tmp_path, "functions.tasks.common", "from ..base import Base")
    write(tmp_path, "functions.base", "import single")
    write(tmp_path, "functions.__init__", "import framework.routing")
    write(tmp_path, "shared.database", "import driver\nfrom shared.database import itself")
    app = Function("App", "app", "functions.tasks.create.handler", tmp_path)

    assert scan(app, installed) == {"driver", "single", "framework.routing"}


@pytest.mark.parametrize(
    "use",
    [
        "import fastapi; fastapi.FastAPI().get('/')(lambda: None)",
        "from httpx import Client; Client()",
        "from pydantic import BaseModel; type('Model', (BaseModel,), {})",
    ],
)
async def test_modules_that_packages_load_on_first_use_are_loaded_before_forking(
    tmp_path: Path, use: str
) -> None:
    source = f"""
        import sys
        before = set(sys.modules)
        {use}
        LATE = sorted(set(sys.modules) - before)

        def handler(event, context):
            return [name for name in LATE if name.partition(".")[0] not in sys.stdlib_module_names]
    """
    async with running(function(tmp_path, source)) as run:
        assert await run.result() == []


def test_a_file_that_runs_its_own_code_is_not_run(tmp_path: Path, installed: Path) -> None:
    app = function(tmp_path, "import driver\nopen('ran', 'w')")

    assert scan(app, installed) == {"driver"}
    assert not (tmp_path / "ran").exists()


def test_a_changed_file_is_read_again(tmp_path: Path, installed: Path) -> None:
    app = function(tmp_path, "import driver")
    scanner = ImportScanner([str(installed)])

    before = scanner.third_party([app])
    function(tmp_path, "import framework")

    assert (before, scanner.third_party([app])) == ({"driver"}, {"framework"})
