from pathlib import Path

import pytest

from lampwork.runtime.preloading.import_plan import ImportScanner, Step
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import function, write

PACKAGES = {
    "framework": ("__init__", "routing", "ext/__init__", "ext/aio"),
    "driver": ("__init__",),
    "awslambdaric": ("__init__",),
    "fastapi": ("__init__",),
    "pydantic": ("__init__", "v1/__init__"),
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


def scan(app: Function, installed: Path) -> list[str]:
    """The steps, written as dotted names; what is taken from a module stands after a colon."""
    scanner = ImportScanner([str(app.code_dir), str(installed)])
    steps = scanner.steps(app.handler, app.code_dir)
    return [f"{step.module}:{step.name}" if step.name else step.module for step in steps]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import framework", ["framework"]),
        ("import framework.ext.aio as aio", ["framework.ext.aio"]),
        ("from framework import routing", ["framework", "framework:routing"]),
        (
            "from framework.ext.aio import connect",
            ["framework.ext.aio", "framework.ext.aio:connect"],
        ),
        ("import single, driver", ["single", "driver"]),
        ("try:\n    import driver\nexcept ImportError:\n    import single", ["driver"]),
        ("try:\n    import absent\n    import driver\nexcept ImportError:\n    pass", []),
        ("class Settings:\n    import driver", ["driver"]),
        ("import single\nx = open('f')\nimport driver", ["single", "driver"]),
        ("import os\nos.environ['A'] = 'b'\nimport driver", []),
        ("import driver, os\nos.environ.setdefault('A', 'b')\nimport single", ["driver"]),
        ("import sys\nsys.path.insert(0, 'vendor')\nimport driver", []),
        ("from dotenv import load_dotenv\nload_dotenv()\nimport driver", []),
        ("import os\nos.environ.get('A')\nimport driver", ["driver"]),
    ],
)
def test_packages_surely_imported_when_a_function_is_loaded_are_found_in_their_order(
    tmp_path: Path, installed: Path, source: str, found: list[str]
) -> None:
    assert scan(function(tmp_path, source), installed) == found


@pytest.mark.parametrize(
    "source",
    [
        "import json, os.path",
        "import awslambdaric.bootstrap",
        "import not_installed",
        "if True:\n    import driver",
        "match 1:\n    case _:\n        import driver",
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
    assert scan(function(tmp_path, source), installed) == []


def test_a_projects_own_modules_are_followed_but_never_loaded(
    tmp_path: Path, installed: Path
) -> None:
    write(tmp_path, "functions.tasks.create", "from shared import database\nfrom . import common")
    write(tmp_path, "functions.tasks.common", "from ..base import Base")
    write(tmp_path, "functions.base", "import single")
    write(tmp_path, "functions.__init__", "import framework.routing")
    write(tmp_path, "shared.database", "import driver\nfrom shared.database import itself")
    app = Function("App", "app", "functions.tasks.create.handler", tmp_path)

    assert scan(app, installed) == ["framework.routing", "driver", "single"]


def test_nothing_is_loaded_that_comes_after_a_module_of_the_projects_that_sets_variables(
    tmp_path: Path, installed: Path
) -> None:
    write(tmp_path, "settings", "import os\ndef apply(): os.environ['A'] = 'b'\napply()")
    app = function(tmp_path, "import single\nimport settings\nimport driver")

    assert scan(app, installed) == ["single"]


@pytest.mark.parametrize(
    "calls",
    [
        "class Start:\n    begin = apply",
        "def begin(): return apply()\nclass Start:\n    value = begin()",
        "begin = [apply]",
        "@apply\ndef begin(): ...",
    ],
)
def test_nothing_is_loaded_that_comes_after_a_mention_of_what_sets_variables(
    tmp_path: Path, installed: Path, calls: str
) -> None:
    write(tmp_path, "settings", f"import os\ndef apply(): os.environ['A'] = 'b'\n{calls}")
    app = function(tmp_path, "import single\nimport settings\nimport driver")

    assert scan(app, installed) == ["single"]


def test_what_sets_variables_only_later_does_not_keep_packages_from_being_loaded(
    tmp_path: Path, installed: Path
) -> None:
    write(
        tmp_path,
        "settings",
        "import logging, re\ndef apply(): logging.basicConfig()\nclass Later:\n"
        "    def begin(self): apply()\nNAME = re.compile('a')\n",
    )
    app = function(tmp_path, "import single\nimport settings\nimport driver")

    assert scan(app, installed) == ["single", "driver"]


def test_what_a_package_loads_on_first_use_is_loaded_aside(tmp_path: Path, installed: Path) -> None:
    app = function(tmp_path, "import fastapi")

    steps = ImportScanner([str(installed)]).steps(app.handler, tmp_path, named=["driver"])

    assert steps == (Step("fastapi"), Step("driver", aside=True), Step("pydantic.v1", aside=True))


def test_a_module_that_a_layer_has_is_left_to_the_function(tmp_path: Path, installed: Path) -> None:
    write(tmp_path / "layer", "driver", "")
    app = function(tmp_path, "import driver\nimport single")

    steps = ImportScanner([str(installed)]).steps(
        app.handler, tmp_path, hidden=[tmp_path / "layer"]
    )

    assert steps == (Step("single"),)


def test_a_file_that_runs_its_own_code_is_not_run(tmp_path: Path, installed: Path) -> None:
    app = function(tmp_path, "import driver\nopen('ran', 'w')")

    assert scan(app, installed) == ["driver"]
    assert not (tmp_path / "ran").exists()


def test_a_changed_file_is_read_again(tmp_path: Path, installed: Path) -> None:
    app = function(tmp_path, "import driver")
    scanner = ImportScanner([str(installed)])

    before = scanner.steps(app.handler, tmp_path)
    function(tmp_path, "import framework")

    assert (before, scanner.steps(app.handler, tmp_path)) == (
        (Step("driver"),),
        (Step("framework"),),
    )
