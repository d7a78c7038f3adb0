"""Whatever file a function has opened or imported: after its edit and the line that says so, a
request runs what was saved. The function's own process tells which files these are."""

import json
import random
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.lampwork_process import LampworkProcess, SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: project/app
      Timeout: 20
      Environment: {Variables: {ROOT: "{root}"}}
      Layers: [!Ref Folder, !Ref Zipped]
      Events: {Any: {Type: HttpApi, Properties: {Method: GET, Path: /}}}
  Folder: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}
  Zipped: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer.zip}}
"""

# The hook is the test's own: the emulator's is not asked what it has noticed.
APP = """\
import os, re, sys
from pathlib import Path

ROOT = os.environ["ROOT"]
OPENED = set()

def real(path):
    "Where a file lies outside of this process, in which its folder may be /var/task."
    found = os.path.realpath(path)
    return re.sub("^/var/task/", f"{ROOT}/project/app/", found)

def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and not arguments[2] & os.O_RDWR:
        OPENED.add(real(arguments[0]))

sys.addaudithook(hear)

import build.generated, dist.packed, tests.helpers, node_modules.odd  # folders of odd names
import lib.deep.er.module
import in_layer, in_zip
import linked.module  # a link to a folder
import linked_module  # a link to a file
import editable
sys.path.append(f"{ROOT}/project/outside")
import outside_module

READ = {name: open(name).read() for name in sorted(os.listdir(".")) if name.startswith("data")}
MORE = Path(f"{ROOT}/project/resources/more.txt")
READ[MORE] = MORE.read_text()
LAZY = {}

def handler(event, context):
    if not LAZY:
        import imported_late
        LAZY.update(late=imported_late.VALUE, text=Path("read-late.txt").read_text())
    modules = {
        path: str(module.VALUE)
        for module in list(sys.modules.values())
        if hasattr(module, "VALUE") and getattr(module, "__file__", None)
        and (path := real(module.__file__)).startswith(ROOT)
    }
    texts = {real(name): text for name, text in READ.items()}
    texts[real("read-late.txt")] = LAZY["text"]
    opened = [path for path in OPENED if path.startswith(ROOT) and "/.lampwork/" not in path]
    return {"values": {**modules, **texts}, "opened": sorted(opened)}

VALUE = 0
"""
MODULES = (
    # Packages of these names may be installed, so that those without a file would not be found.
    *("build/__init__", "dist/__init__", "tests/__init__"),
    *("build/generated", "dist/packed", "tests/helpers", "node_modules/odd"),
    *("lib/deep/er/module", "imported_late", "../../layer/python/in_layer"),
    *("../../elsewhere/module", "../../elsewhere/linked_module", "../outside/outside_module"),
    "../../shared/src/editable",
)
SUFFIXES = ["txt", "md", "csv", "pem", "env", "tmpl", "json", "yaml", "html", "sql", "bin", "xyz"]
SEED = random.randrange(1 << 32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reload")
    app = root / "project" / "app"
    for module in MODULES:
        file = (app / f"{module}.py").resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("VALUE = 0\n")
    (root / "project" / "resources").mkdir()
    for name in (*(f"data.{each}" for each in SUFFIXES), "data", "read-late.txt"):
        (app / name).write_text("0\n")
    (root / "project" / "resources" / "more.txt").write_text("0\n")
    (app / "app.py").write_text(APP)
    (app / "linked").symlink_to("../../elsewhere")
    (app / "linked_module.py").symlink_to("../../elsewhere/linked_module.py")
    (app / "requirements.txt").write_text("-e ../../shared\n")
    (root / "shared" / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "editable"\nversion = "1"\n'
        '[tool.hatch.build.targets.wheel]\nsources = ["src"]\nonly-include = ["src/editable.py"]\n'
    )
    zip_layer(root, "0")
    (root / "template.yaml").write_text(TEMPLATE.replace("{root}", str(root)))
    (root / "pyproject.toml").write_text("[tool.lampwork]\nport = 0\nservices = []\n")
    return root


@pytest.fixture(scope="module")
def up(root: Path) -> Iterator[LampworkProcess]:
    project = SampleProject(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_NO_BUILD_ISOLATION", "1")
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        lampwork = project.up()
    yield lampwork
    project.close()


@pytest.fixture(scope="module")
def origin(up: LampworkProcess) -> str:
    return up.origin()


def zip_layer(root: Path, value: str) -> None:
    draft = root / "layer.new"
    with zipfile.ZipFile(draft, "w") as file:
        file.writestr("python/in_zip.py", f"VALUE = {value}\n")
    draft.rename(root / "layer.zip")


def ask(origin: str) -> tuple[dict[str, str], set[str]]:
    """What the function has read, by path, and all files that it has opened."""
    with urllib.request.urlopen(f"{origin}/") as response:
        answer = json.load(response)
    return {path: text.strip() for path, text in answer["values"].items()}, set(answer["opened"])


def test_an_edit_of_any_file_that_the_function_has_read_takes_effect(
    root: Path, up: LampworkProcess, origin: str
) -> None:
    values, opened = ask(origin)
    known = {path for path in values if "/.lampwork/" not in path}
    assert len(known) == len(MODULES) + len(SUFFIXES) + 4
    assert {path for path in opened if not path.endswith(".pyc")} <= known

    dice = random.Random(SEED)
    for value, path in enumerate(dice.sample(sorted(known), len(known)), start=1):
        file = Path(path)
        if dice.random() < 0.5:
            file.write_text(re.sub(r"\b\d+\n$", f"{value}\n", file.read_text()))
        else:  # as editors do that write a new file first
            draft = file.with_name("draft")
            draft.write_text(re.sub(r"\b\d+\n$", f"{value}\n", file.read_text()))
            draft.rename(file)
        up.until("Reloaded")
        assert ask(origin)[0][path] == str(value), f"{path}, seed {SEED}"


def test_a_saved_zip_of_a_layer_takes_effect(root: Path, up: LampworkProcess, origin: str) -> None:
    zip_layer(root, "17")
    up.until("Reloaded")

    values, _ = ask(origin)

    assert [value for path, value in values.items() if path.endswith("in_zip.py")] == ["17"]
