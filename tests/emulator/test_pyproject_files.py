"""Functions that SAM builds with uv, from their pyproject.toml:
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-python-uv.html
"""

from dataclasses import replace
from pathlib import Path

import pytest

from lampwork.app.packages.installations import Installations
from lampwork.app.packages.pyproject_files import read_pyproject
from lampwork.errors import ConfigurationError
from tests.emulator.runtime_fixtures import function
from tests.emulator.stacks import read_text

FUNCTION = """
[project]
name = "orders"
dependencies = [
    "boto3>=1.40", "core[more]", "near ; python_version > '3'", "Up_stream", "archive", "plain",
]
[tool.uv.sources]
core = { workspace = true }
near = { path = "../near", editable = true }
up-stream = { git = "https://example.com/up.git", tag = "v1" }
archive = { url = "https://example.com/a.whl" }
plain = { index = "ours" }
"""


ASKS = '[project]\ndependencies = ["absent"]\n[tool.uv.sources]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, text in {
        ".": '[tool.uv.workspace]\nmembers = ["services/*", "libs/*"]\n',
        "services/orders": FUNCTION,
        "services/near": '[project]\nname = "near"\n',
        "libs/core_": '[project]\nname = "Core"\n',
    }.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "pyproject.toml").write_text(text)
    return tmp_path


def test_dependencies_come_from_their_sources(root: Path) -> None:
    found = read_pyproject(root / "services" / "orders" / "pyproject.toml", root)

    assert found.lines == [
        "boto3>=1.40",
        f"-e {root}/libs/core_[more]",
        f"-e {root}/services/near ; python_version > '3'",
        "Up_stream @ git+https://example.com/up.git@v1",
        "archive @ https://example.com/a.whl",
        "plain",
    ]
    folders = ("services/orders", "libs/core_", "services/near")
    assert found.files == [root / folder / "pyproject.toml" for folder in folders]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ASKS + "absent = {workspace = true}", "no member of its workspace is named absent"),
        (ASKS + 'absent = {path = "nowhere"}', "there is no ./nowhere"),
        ("[project", ""),
    ],
)
def test_what_is_wrong_is_named_with_the_file(root: Path, text: str, told: str) -> None:
    file = root / "services" / "orders" / "pyproject.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=f"orders/pyproject.toml: {told}"):
        read_pyproject(file, root)


def test_only_a_function_that_is_built_with_uv_reads_it(root: Path) -> None:
    app = function(root / "services" / "orders", "")
    built = replace(app, build_method="python-uv")

    assigned = Installations(root, root / "data", print).assign({"A": app, "B": built})

    assert assigned["A"].requirements is None
    assert assigned["B"].requirements is not None


def test_the_template_says_how_a_function_is_built(root: Path) -> None:
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Orders:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: python-uv}
            Properties: {Handler: app.handler, Runtime: python3.13, CodeUri: services/orders}
    """

    assert read_text(root, template).functions["Orders"].build_method == "python-uv"
