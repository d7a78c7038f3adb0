"""Code of the user's that does not lie in the function's own folder: editable projects and layers.
It is importable, and requests run what was saved, however quickly it is saved again."""

import sys
from pathlib import Path

import pytest

from lampwork.runtime.preloading.import_plan import ImportScanner, Step
from lampwork.runtime.user_code import EDITABLES, REQUIREMENTS, UserCode, is_installed
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import function, running, write

SAYS = """
    import greeter

    def handler(event, context):
        return greeter.WORD
"""
# As setuptools writes it for a project whose packages lie beside its pyproject.toml.
FINDER = """
import sys
from importlib.util import spec_from_file_location

MAPPING = {{"greeter": {folder!r}}}

class _EditableFinder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name] + "/__init__.py")

def install():
    sys.meta_path.append(_EditableFinder)
"""


def editable(tmp_path: Path, kind: str) -> Path:
    """A folder of requirements with a project `greeter` in editable mode."""
    packages = tmp_path / "code" / ".data" / REQUIREMENTS / "key" / "site-packages"
    packages.mkdir(parents=True)
    line = str(tmp_path / "shared" / "src")
    if kind == "finder":
        finder = FINDER.format(folder=f"{line}/greeter")
        (packages / "__editable___greeter_finder.py").write_text(finder)
        line = "import __editable___greeter_finder; __editable___greeter_finder.install()"
    (packages / EDITABLES).write_text(f"{line}\n")
    return packages


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("kind", ["folder", "finder"])
async def test_an_editable_project_is_importable_and_no_edit_is_missed(
    tmp_path: Path, kind: str, cold: bool
) -> None:
    packages = editable(tmp_path, kind)
    app = function(tmp_path / "code", SAYS, requirements=packages)
    said = []

    write(tmp_path / "shared" / "src", "greeter.__init__", "WORD = 0")
    async with running(app, cold=cold) as run:
        for number in range(3):
            # Within a second, and of the same size: Python's own cache would miss it.
            write(tmp_path / "shared" / "src", "greeter.__init__", f"WORD = {number}")
            await run.functions.reload({"App": app})
            said.append(await run.result())

    assert said == [0, 1, 2]


def test_packages_that_an_editable_project_imports_are_preloaded_but_it_is_not(
    tmp_path: Path,
) -> None:
    installed = tmp_path / "venv" / "site-packages"
    write(installed / "driver", "__init__", "")
    write(tmp_path / "shared" / "src", "greeter.__init__", "import driver")
    app = function(tmp_path / "code", "import greeter")

    scanner = ImportScanner([installed, tmp_path / "shared" / "src"])

    assert scanner.steps(app.handler, app.code_dir) == (Step("driver"),)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/p/code/app.py", True),
        ("/p/code/vendored/__init__.py", True),
        ("/p/code/build/lib/app.py", True),
        ("/p/code/.venv/lib/python3.13/site-packages/six.py", False),
        ("/p/layer/python/lib/python3.13/site-packages/six.py", True),
        ("/p/shared/src/greeter.py", True),
        ("/p/code/.data/tmp/x/cached.py", False),
        ("/p/code/.data/requirements/k/site-packages/six.py", False),
        ("/p/code/.data/code/k/app.py", True),
        ("/usr/lib/python3/dist-packages/six.py", False),
        (Function.__module__ and sys.modules[Function.__module__].__file__, False),
        (pytest.__file__, False),
        (sys.modules["json"].__file__, False),
    ],
)
def test_what_is_the_users_own_code(path: str, own: bool) -> None:
    layer = "/p/layer/python/lib/python3.13/site-packages"
    mine = UserCode(("/p/code", layer, "/p/code/.data/code/k"), data="/p/code/.data")

    assert (path in mine) is own


def test_a_folder_of_packages_is_known_by_its_name() -> None:
    assert is_installed("/venv/lib/python3.13/site-packages")
    assert not is_installed("/p/site-packages-of-ours/app.py")
